//! What each key means: from typed terms to a [`Selector`].

use super::lex::{self, Form, Token};
use super::{Feature, IdPrefix, MessageTerm, Scope, Selector, SelectorError, SelectorErrorKind, Term, TermKind};
use crate::clock::{Duration, Instant, Period, TimeError, Zone, parse_date};
use crate::conversation::{Kind, Role};
use crate::fold::fold;
use crate::matching::{Pattern, TextTerm};

/// Every key, in the order of the documentation.
const KEYS: [&str; 14] = [
    "source", "tag", "title", "with", "before", "after", "on", "created", "imported", "has", "kind", "id", "from",
    "role",
];

const FEATURES: [(&str, Feature); 3] =
    [("attachment", Feature::Attachment), ("tag", Feature::Tag), ("title", Feature::Title)];

/// Words that mean something in other query languages, and nothing here.
const OPERATORS: [&str; 7] = ["OR", "AND", "NOT", "|", "||", "&", "&&"];

/// What `has:` asks of messages.
const CODE: &str = "code";

const ROLES: [(&str, Role); 5] = [
    ("user", Role::User),
    ("assistant", Role::Assistant),
    ("system", Role::System),
    ("tool", Role::Tool),
    ("other", Role::Other),
];

const KINDS: [(&str, Kind); 6] = [
    ("assistant", Kind::Assistant),
    ("agent", Kind::AgentSession),
    ("direct", Kind::Direct),
    ("group", Kind::Group),
    ("channel", Kind::Channel),
    ("opaque", Kind::Opaque),
];

/// Those of them that speak of messages.
const OF_MESSAGES: [&str; 2] = ["from", "role"];

/// That a key is none.
fn unknown_key(typed: &str, scope: Scope) -> SelectorErrorKind {
    let known: Vec<&str> = KEYS.into_iter().filter(|key| scope.is_search() || !OF_MESSAGES.contains(key)).collect();
    SelectorErrorKind::UnknownKey { typed: typed.to_owned(), known: known.join(", ") }
}

impl Selector {
    /// Reads one line of terms.
    pub fn parse(text: &str, scope: Scope, now: Instant, zone: &Zone) -> Result<Self, SelectorError> {
        Self::parse_args(&[text], scope, now, zone)
    }

    /// Reads the arguments of a command, each with one term or several.
    ///
    /// `with:Alice Smith` as one argument is one term, because a shell has removed the quotes of
    /// `with:"Alice Smith"`; not so in a search of one argument, which is a query as typed.
    pub fn parse_args<S: AsRef<str>>(
        arguments: &[S],
        scope: Scope,
        now: Instant,
        zone: &Zone,
    ) -> Result<Self, SelectorError> {
        let may_be_whole = scope == Scope::Items || arguments.len() > 1;
        let mut terms = Vec::new();
        for (argument, text) in arguments.iter().map(AsRef::as_ref).enumerate() {
            let located = |at, kind| SelectorError { kind, argument, at };
            let tokens = match lex::whole_argument(text).filter(|_| may_be_whole) {
                Some(token) => vec![token],
                None => lex::tokens(text).map_err(|(at, kind)| located(at, kind))?,
            };
            for token in tokens {
                let kind = Reader { scope, now, zone }.read(&token).map_err(|kind| located(token.at, kind))?;
                terms.push(Term { negated: token.negated, kind });
            }
        }
        Ok(Self { terms })
    }
}

struct Reader<'a> {
    scope: Scope,
    now: Instant,
    zone: &'a Zone,
}

impl Reader<'_> {
    fn read(&self, token: &Token) -> Result<TermKind, SelectorErrorKind> {
        let Some(typed) = &token.key else { return self.bare(token) };
        let key = KEYS.into_iter().find(|key| typed.eq_ignore_ascii_case(key));
        let key = key.ok_or_else(|| unknown_key(typed, self.scope))?;
        let value = token.value.as_str();
        if value.trim().is_empty() {
            return Err(SelectorErrorKind::NoValue(key));
        }
        Ok(match key {
            "source" => TermKind::Source(fold(value).into_owned()),
            "tag" => TermKind::Tag(fold(value).into_owned()),
            "title" => TermKind::Title(text_term(token)?),
            "with" => TermKind::With(text_term(token)?),
            "before" => TermKind::Before(self.date(key, value)?),
            "after" => TermKind::After(self.date(key, value)?),
            "on" => TermKind::On(self.day(key, value)?),
            "created" => TermKind::Created(self.day(key, value)?),
            "imported" => TermKind::Imported(self.day(key, value)?),
            "has" if value.eq_ignore_ascii_case(CODE) => self.message("has:code", MessageTerm::Code)?,
            "has" => TermKind::Has(self.feature(key, value)?),
            "from" => self.message("from:", MessageTerm::From(Box::new(text_term(token)?)))?,
            "role" => self.message("role:", MessageTerm::Role(one_of(key, value, &ROLES)?))?,
            "kind" => TermKind::Kind(one_of(key, value, &KINDS)?),
            "id" => {
                let prefix = IdPrefix::parse(value, false);
                TermKind::Id(prefix.ok_or_else(|| SelectorErrorKind::NotAnId(value.to_owned()))?)
            }
            _ => return Err(unknown_key(typed, self.scope)),
        })
    }

    fn bare(&self, token: &Token) -> Result<TermKind, SelectorErrorKind> {
        match self.scope {
            Scope::Text if token.form == Form::Plain && token.value.contains('"') => {
                return Err(SelectorErrorKind::QuoteInside);
            }
            Scope::Patterns { .. } if token.form == Form::QuotedPiece => return Err(SelectorErrorKind::PieceOfPattern),
            Scope::Text => {
                // Taken for a word, it would narrow where something else was meant.
                let operator = OPERATORS.into_iter().find(|word| token.form == Form::Plain && token.value == *word);
                return operator.map_or_else(
                    || text_term(token).map(TermKind::Text),
                    |word| Err(SelectorErrorKind::Operator(word)),
                );
            }
            Scope::Patterns { case } => {
                let pattern = Pattern::new(&token.value, case).map_err(SelectorErrorKind::Pattern)?;
                return Ok(TermKind::Pattern(pattern));
            }
            Scope::Items => {}
        }
        let id = IdPrefix::parse(&token.value, true).filter(|_| token.form == Form::Plain);
        id.map(TermKind::Id).ok_or_else(|| SelectorErrorKind::BareWord(token.value.clone()))
    }

    /// A term about messages, which only a search looks at.
    fn message(&self, word: &'static str, term: MessageTerm) -> Result<TermKind, SelectorErrorKind> {
        if self.scope.is_search() { Ok(TermKind::Message(term)) } else { Err(SelectorErrorKind::OnlyInSearch(word)) }
    }

    fn feature(&self, key: &'static str, value: &str) -> Result<Feature, SelectorErrorKind> {
        one_of(key, value, &FEATURES).map_err(|error| match error {
            SelectorErrorKind::UnknownValue { key, value, known } if self.scope.is_search() => {
                SelectorErrorKind::UnknownValue { key, value, known: format!("{known}, {CODE}") }
            }
            other => other,
        })
    }

    fn date(&self, key: &'static str, value: &str) -> Result<Period, SelectorErrorKind> {
        parse_date(value, self.now, self.zone).map_err(|error| SelectorErrorKind::Time { key, error })
    }

    /// A date that names a stretch of time by itself.
    fn day(&self, key: &'static str, value: &str) -> Result<Period, SelectorErrorKind> {
        match Duration::parse(value) {
            Ok(_) => Err(SelectorErrorKind::DurationNamesNoDay(key)),
            Err(TimeError::BareM) => Err(SelectorErrorKind::Time { key, error: TimeError::NotADate }),
            Err(_) => self.date(key, value),
        }
    }
}

fn text_term(token: &Token) -> Result<TextTerm, SelectorErrorKind> {
    let term = match token.form {
        Form::Plain => TextTerm::parse(&token.value),
        Form::Quoted => TextTerm::phrase(&token.value),
        Form::QuotedPiece => TextTerm::piece(&token.value),
    };
    term.map_err(SelectorErrorKind::Words)
}

fn one_of<T: Copy>(key: &'static str, value: &str, known: &[(&str, T)]) -> Result<T, SelectorErrorKind> {
    let found = known.iter().find(|(word, _)| value.eq_ignore_ascii_case(word));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| SelectorErrorKind::UnknownValue {
        key,
        value: value.to_owned(),
        known: known.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", "),
    })
}
