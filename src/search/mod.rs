//! Conversations found by selector and by what is said in them: sketches first, then the opened texts.
//!
//! `docs/search.md` says what is found. The sketches tell which conversations surely have it not, and how high the others
//! can score at most; those that may have it are opened and looked through. Where only the best are asked for, the most
//! promising are opened first, and it ends when no other can be better.

mod look;
mod question;
mod rank;
mod snippet;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use crate::clock::Instant;
use crate::facts::TagId;
use crate::matching::Scratch;
use crate::selector::{Item, Selector};
use crate::sketch::Sketch;
use crate::vault::{ByLeaf, CanRead, Damage, Entry, LiveTree, Vault, VaultError, by_conversation};
use look::Look;
pub use look::{Best, Neighbour};
use question::Question;
pub use question::Scope;
use rank::Ranking;

/// Conversations opened at once where only the best are asked for; later ones in growing numbers.
const FIRST_BATCH: usize = 32;
const GROWTH: usize = 2;

/// A conversation that matched.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The conversation; of a chat, its months that may be read as one.
    pub entry: Entry,
    /// The message that answers best; none where only the title matched, or nothing was asked of texts.
    pub best: Option<Best>,
    /// The text around the first match, in one line.
    pub snippet: String,
    /// Where in the snippet the matches stand, in bytes.
    pub marks: Vec<Range<usize>>,
    /// Messages in which a wanted term stands.
    pub matches: usize,
    /// BM25; 0 where nothing was looked for in texts.
    pub score: f64,
}

impl Hit {
    /// When the best message was written, or else when the conversation was last active.
    pub fn time(&self) -> Instant {
        let written = self.best.as_ref().and_then(|best| best.time.as_ref()?.at);
        written.unwrap_or(self.entry.facts.last_activity)
    }
}

/// In which order hits come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By score, and where that is the same by time.
    #[default]
    Relevance,
    /// The latest first.
    Time,
}

/// How to search.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How texts are looked at.
    pub scope: Scope,
    /// In which order.
    pub order: Order,
    /// At most so many hits.
    pub limit: Option<usize>,
    /// Messages before and after the best one.
    pub context: usize,
}

/// How many conversations match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Total {
    /// All were looked through.
    #[default]
    Exact,
    /// It ended when the best were found: so many are known to match.
    AtLeast,
}

/// What was found.
#[derive(Default)]
pub struct Found {
    /// The hits.
    pub hits: Vec<Hit>,
    /// How many there are.
    pub total: usize,
    /// Whether that is certain.
    pub certainty: Total,
    /// What was damaged.
    pub damaged: Vec<Damage>,
}

/// The view of an entry that selectors judge.
pub fn item<'a>(entry: &'a Entry, tags: &'a [String]) -> Item<'a> {
    Item {
        id: &entry.conversation,
        source: &entry.card.source,
        title: Some(entry.card.title.as_str()).filter(|title| !title.is_empty()),
        kind: entry.card.kind,
        tags,
        participants: &entry.card.participants,
        created: Some(entry.facts.created).filter(|_| !entry.facts.created_clamped),
        last_activity: Some(entry.facts.last_activity),
        imported: entry.facts.imported,
        attachments: entry.facts.attachments,
    }
}

/// The names of its tags, by name: the order of their ids is another in every vault.
pub fn tag_words(entry: &Entry, names: &BTreeMap<TagId, String>) -> Vec<String> {
    let mut tags: Vec<String> = entry.facts.tags.iter().filter_map(|tag| names.get(tag).cloned()).collect();
    tags.sort();
    tags
}

/// Searches. What is due at `now` is not found.
pub fn search<A: CanRead>(
    vault: &Vault<A>,
    selector: &Selector,
    options: Options,
    now: Instant,
) -> Result<Found, VaultError> {
    let question = Question::new(selector, options.scope);
    let (tags, tree) = (vault.tag_names()?, vault.live_tree()?);
    let damaged = vault.missing(&tree)?;
    let mut search = Search { vault, selector, question, options, now, tags, tree, damaged };
    let candidates = search.candidates()?;
    let (mut hits, certainty) = search.look_through(&candidates)?;
    sort(&mut hits, options.order);
    let total = hits.len();
    hits.truncate(options.limit.unwrap_or(usize::MAX));
    Ok(Found { hits, total, certainty, damaged: search.damaged })
}

fn sort(hits: &mut [Hit], order: Order) {
    match order {
        Order::Relevance => hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| later(a).cmp(&later(b)))),
        Order::Time => hits.sort_by_key(later),
    }
}

/// The latest first, and of one time in the order in which they were stored.
fn later(hit: &Hit) -> (Reverse<Instant>, u64) {
    (Reverse(hit.time()), hit.entry.leaf)
}

/// A conversation that the sketches do not rule out.
struct Candidate {
    id: [u8; 16],
    /// All its segments, ascending.
    leaves: Vec<u64>,
    /// Those in which something of the query may stand.
    sought: Vec<u64>,
    /// How often each term stands in it at most, unwanted ones behind the wanted ones.
    most: Vec<u32>,
    words: u64,
}

struct Candidates {
    list: Vec<Candidate>,
    /// Of all there are.
    conversations: usize,
    words: u64,
    /// In how many each wanted term may stand, where the sketches tell.
    having: Vec<Option<usize>>,
}

struct Search<'s, A: CanRead> {
    vault: &'s Vault<A>,
    selector: &'s Selector,
    question: Question<'s>,
    options: Options,
    now: Instant,
    tags: BTreeMap<TagId, String>,
    tree: LiveTree,
    damaged: Vec<Damage>,
}

/// A conversation looked through.
struct Looked {
    look: Look,
    words: u64,
}

impl<A: CanRead> Search<'_, A> {
    /// Looks at all sketches.
    fn candidates(&mut self) -> Result<Candidates, VaultError> {
        let (question, all) = (&self.question, self.options.scope.all);
        let asks = question.asks_of_texts();
        let (sketched, damaged) = self.vault.each_sketch(|bytes| {
            let sketch = bytes.and_then(|bytes| Sketch::read(bytes).ok());
            let words = sketch.as_ref().map_or(0, |sketch| sketch.words(all));
            (words, if asks { question.most(sketch.as_ref()) } else { Some(Vec::new()) })
        })?;
        self.damaged.extend(damaged);
        // What is due is as if it were not there, for what others score too.
        let due = self.vault.due_leaves(self.now)?;
        let sketched = sketched.into_iter().filter(|one| due.binary_search(&one.leaf).is_err());
        let terms = question.wanted.len() + question.unwanted.len();
        let mut places: HashMap<[u8; 16], usize> = HashMap::new();
        let mut list: Vec<Candidate> = Vec::new();
        for one in sketched {
            let place = *places.entry(one.conversation).or_insert(list.len());
            if place == list.len() {
                let (leaves, sought) = (Vec::new(), Vec::new());
                list.push(Candidate { id: one.conversation, leaves, sought, most: vec![0; terms], words: 0 });
            }
            let candidate = &mut list[place];
            let (words, most) = one.made;
            candidate.leaves.push(one.leaf);
            candidate.words += u64::from(words);
            if let Some(most) = most {
                candidate.sought.push(one.leaf);
                candidate.most.iter_mut().zip(most).for_each(|(sum, most)| *sum = sum.saturating_add(most));
            }
        }
        let (conversations, words) = (list.len(), list.iter().map(|candidate| candidate.words).sum());
        let having = question.wanted.iter().enumerate().map(|(index, sought)| {
            let having = || list.iter().filter(|candidate| candidate.most[index] > 0).count();
            sought.evidence.is_some().then(having)
        });
        let having = having.collect();
        let wanted = question.wanted.len();
        list.retain(|candidate| candidate.most[..wanted].iter().all(|most| *most > 0));
        Ok(Candidates { list, conversations, words, having })
    }

    /// Opens candidates; the hits, and whether there may be more.
    fn look_through(&mut self, candidates: &Candidates) -> Result<(Vec<Hit>, Total), VaultError> {
        let by_relevance = self.options.order == Order::Relevance && !self.question.wanted.is_empty();
        let having: Option<Vec<usize>> = candidates.having.iter().copied().collect();
        match (self.options.limit, having) {
            (Some(limit), Some(having)) if by_relevance => self.look_at_best(candidates, &having, limit),
            _ => Ok((self.look_at_all(candidates)?, Total::Exact)),
        }
    }

    fn look_at_all(&mut self, candidates: &Candidates) -> Result<Vec<Hit>, VaultError> {
        let everything: Vec<&Candidate> = candidates.list.iter().collect();
        let found = self.look_at(&everything)?;
        // What the sketches do not tell of is counted when all was looked through.
        let counted = |index| found.iter().filter(|(_, looked)| looked.look.weighed()[index] > 0).count();
        let told = candidates.having.iter().enumerate();
        let having: Vec<usize> = told.map(|(index, told)| told.unwrap_or_else(|| counted(index))).collect();
        let ranking = Ranking::new(candidates.conversations, candidates.words, &having);
        Ok(found.into_iter().map(|found| hit(found, &ranking)).collect())
    }

    /// Opens the most promising ones first, until no other can be better.
    fn look_at_best(
        &mut self,
        candidates: &Candidates,
        having: &[usize],
        limit: usize,
    ) -> Result<(Vec<Hit>, Total), VaultError> {
        let ranking = Ranking::new(candidates.conversations, candidates.words, having);
        let bound = |one: &Candidate| ranking.score(&one.most[..having.len()], one.words);
        let mut order: Vec<(f64, &Candidate)> = candidates.list.iter().map(|one| (bound(one), one)).collect();
        order.sort_by(|(one, a), (other, b)| other.total_cmp(one).then(b.leaves.cmp(&a.leaves)));
        let (mut hits, mut at, mut batch): (Vec<Hit>, usize, usize) = (Vec::new(), 0, FIRST_BATCH.max(limit));
        while at < order.len() {
            let end = at.saturating_add(batch).min(order.len());
            let promising: Vec<&Candidate> = order[at..end].iter().map(|(_, candidate)| *candidate).collect();
            hits.extend(self.look_at(&promising)?.into_iter().map(|found| hit(found, &ranking)));
            (at, batch) = (end, batch.saturating_mul(GROWTH));
            sort(&mut hits, Order::Relevance);
            let last = limit.checked_sub(1).and_then(|last| hits.get(last));
            if limit == 0 || last.is_some_and(|last| order.get(at).is_none_or(|(bound, _)| last.score > *bound)) {
                break;
            }
        }
        Ok((hits, if at < order.len() { Total::AtLeast } else { Total::Exact }))
    }

    /// Looks through these conversations; those that match, with what they are.
    fn look_at(&mut self, candidates: &[&Candidate]) -> Result<Vec<(Entry, Looked)>, VaultError> {
        // Where conversations are chosen by what they are, that is asked first: it is cheaper than their texts.
        let first = self.selector.has_item_terms() || !self.question.asks_of_texts();
        let mut chosen: HashMap<[u8; 16], Vec<Entry>> = HashMap::new();
        let mut candidates = candidates.to_vec();
        if first {
            chosen = self.chosen(&candidates)?;
            candidates.retain(|candidate| chosen.contains_key(&candidate.id));
        }
        let mut looks = self.looks(&candidates)?;
        candidates.retain(|candidate| looks.contains_key(&candidate.id));
        if !first {
            chosen = self.chosen(&candidates)?;
        }
        let mut found = Vec::new();
        for candidate in candidates {
            let (segments, looks) = (chosen.remove(&candidate.id), looks.remove(&candidate.id));
            let (Some(segments), Some(looks)) = (segments, looks) else { continue };
            let mut whole: Option<Look> = None;
            let mut before = 0;
            let mut by_leaf: BTreeMap<u64, Look> = looks.into_iter().collect();
            for segment in &segments {
                if let Some(mut look) = by_leaf.remove(&segment.leaf) {
                    look.shift(before);
                    match &mut whole {
                        Some(whole) => whole.add(look),
                        None => whole = Some(look),
                    }
                }
                before += segment.card.messages as usize;
            }
            let asks = self.question.asks_of_texts();
            let look = whole.or_else(|| (!asks).then(Look::default)).filter(Look::is_hit);
            if let (Some(look), Some(entry)) = (look, Entry::whole(&segments)) {
                found.push((entry, Looked { look, words: candidate.words }));
            }
        }
        Ok(found)
    }

    /// The segments of these conversations, by conversation; without those that the selector does not choose.
    fn chosen(&mut self, candidates: &[&Candidate]) -> Result<HashMap<[u8; 16], Vec<Entry>>, VaultError> {
        let mut leaves: Vec<u64> = candidates.iter().flat_map(|candidate| &candidate.leaves).copied().collect();
        leaves.sort_unstable();
        let listing = self.vault.entries(&leaves, &self.tree)?;
        self.damaged.extend(listing.damaged);
        let mut chosen = HashMap::new();
        for segments in by_conversation(listing.entries) {
            let Some(whole) = Entry::whole(&segments) else { continue };
            if self.selector.matches(&item(&whole, &tag_words(&whole, &self.tags))) {
                chosen.insert(whole.conversation, segments);
            }
        }
        Ok(chosen)
    }

    /// Looks through the texts of these conversations; by conversation, what was found in which segment.
    fn looks(&mut self, candidates: &[&Candidate]) -> Result<HashMap<[u8; 16], ByLeaf<Look>>, VaultError> {
        let mut looks: HashMap<[u8; 16], ByLeaf<Look>> = HashMap::new();
        if !self.question.asks_of_texts() {
            looks.extend(candidates.iter().map(|candidate| (candidate.id, Vec::new())));
            return Ok(looks);
        }
        let mut owners: Vec<(u64, &Candidate)> =
            candidates.iter().flat_map(|one| one.sought.iter().map(|leaf| (*leaf, *one))).collect();
        owners.sort_unstable_by_key(|(leaf, _)| *leaf);
        let leaves: Vec<u64> = owners.iter().map(|(leaf, _)| *leaf).collect();
        let owner = |leaf: u64| owners.binary_search_by_key(&leaf, |(leaf, _)| *leaf).ok().map(|at| owners[at].1);
        let (question, context) = (&self.question, self.options.context);
        let (found, damaged) = self.vault.each_spoken(&leaves, Scratch::default, |scratch, leaf, spoken| {
            let is_part = owner(leaf).is_some_and(|candidate| candidate.leaves.len() > 1);
            Look::at(question, spoken, scratch, (is_part, context))
        })?;
        self.damaged.extend(damaged);
        for (leaf, look) in found {
            if let (Some(look), Some(candidate)) = (look, owner(leaf)) {
                looks.entry(candidate.id).or_default().push((leaf, look));
            }
        }
        Ok(looks)
    }
}

fn hit((entry, Looked { look, words }): (Entry, Looked), ranking: &Ranking) -> Hit {
    let score = ranking.score(&look.weighed(), words);
    let (best, matches, snippet, marks) = look.best();
    Hit { entry, best, snippet, marks, matches, score }
}

#[cfg(test)]
mod tests;
