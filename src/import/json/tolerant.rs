//! Typed reading that survives what exporters get wrong: other types, duplicate and unknown keys.
//!
//! A derived `Deserialize` gives up on a title that is a number. These types take what they can use,
//! count the rest in a [`Recorder`] and never fail on a value of another type, so that the only error
//! left is text that is no JSON.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::import::Notes;

/// Most different unknown paths kept for one unit.
const MAX_UNKNOWN: usize = 500;
/// Longest key that is taken for the name of a field.
const MAX_KEY: usize = 64;

/// Collects what was met while one unit is read.
#[derive(Default)]
pub struct Recorder {
    notes: RefCell<Notes>,
    damaged: Cell<bool>,
}

impl Recorder {
    /// Counts a field without a meaning here.
    pub fn unknown(&self, path: &str, key: &str) {
        // Keys are structure, but an object may be keyed by names: what does not look like the name of
        // a field is counted without being repeated.
        let is_field = key.len() <= MAX_KEY
            && !key.is_empty()
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.$".contains(&b));
        let mut notes = self.notes.borrow_mut();
        let full = notes.unknown.len() >= MAX_UNKNOWN;
        let path = if is_field && !full { format!("{path}.{key}") } else { format!("{path}.*") };
        *notes.unknown.entry(path).or_default() += 1;
    }

    /// Counts something that was set right.
    pub fn repaired(&self, kind: &'static str) {
        self.repaired_times(kind, 1);
    }

    /// Counts something that was set right several times.
    pub fn repaired_times(&self, kind: &'static str, count: u64) {
        *self.notes.borrow_mut().repaired.entry(kind).or_default() += count;
    }

    /// Counts what the source says it left out.
    pub fn left_out(&self, kind: &'static str, count: u64) {
        *self.notes.borrow_mut().records.entry(kind).or_default() += count;
    }

    /// Whether a raw value could not be read: skipping it was possible, decoding it was not.
    pub fn is_damaged(&self) -> bool {
        self.damaged.get()
    }

    /// The notes.
    pub fn finish(self) -> Notes {
        self.notes.into_inner()
    }
}

/// A value that is read whatever stands there.
pub trait Tolerant<'de>: Sized + Default {
    /// Reads it.
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error>;
}

/// Reads a whole unit.
pub fn from_slice<'de, T: Tolerant<'de>>(bytes: &'de [u8], recorder: &Recorder) -> Result<T, serde_json::Error> {
    // Checking UTF-8 once for all is cheaper than once for each string.
    let Ok(text) = std::str::from_utf8(bytes) else {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let value = T::read(recorder, &mut deserializer)?;
        return deserializer.end().map(|()| value);
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = T::read(recorder, &mut deserializer)?;
    deserializer.end().map(|()| value)
}

/// Carries the recorder into serde.
pub struct Seed<'n, T>(pub &'n Recorder, pub PhantomData<T>);

impl<'n, T> Seed<'n, T> {
    /// A seed for one value.
    pub fn new(recorder: &'n Recorder) -> Self {
        Self(recorder, PhantomData)
    }
}

impl<'de, T: Tolerant<'de>> DeserializeSeed<'de> for Seed<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(self.0, deserializer)
    }
}

/// An object key, borrowed when it has no escapes.
pub struct Key<'de>(pub Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }
            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// Reads a value of another type to its end and counts it.
macro_rules! other_types {
    ($($kind:ident)*) => { $(other_types!(@ $kind);)* };
    (@ bool) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> { self.0.repaired("unexpected type"); Ok(Default::default()) }
    };
    (@ number) => {
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> { self.0.repaired("unexpected type"); Ok(Default::default()) }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> { self.0.repaired("unexpected type"); Ok(Default::default()) }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> { self.0.repaired("unexpected type"); Ok(Default::default()) }
    };
    (@ string) => {
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> { self.0.repaired("unexpected type"); Ok(Default::default()) }
    };
    (@ null) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok(Default::default()) }
    };
    (@ list) => {
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            while list.next_element::<serde::de::IgnoredAny>()?.is_some() {}
            self.0.repaired("unexpected type");
            Ok(Default::default())
        }
    };
    (@ object) => {
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
            self.0.repaired("unexpected type");
            Ok(Default::default())
        }
    };
}
pub(crate) use other_types;

/// A string; a number or a boolean is taken as its text.
#[derive(Clone, Debug, Default)]
pub struct Text<'de>(pub Option<Cow<'de, str>>);

impl Text<'_> {
    /// The text, when there is some.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|text| !text.is_empty())
    }

    /// An owned copy, when there is text.
    pub fn owned(&self) -> Option<String> {
        self.get().map(str::to_owned)
    }
}

struct TextVisitor<'n>(&'n Recorder);

impl TextVisitor<'_> {
    fn written<'de, E>(&self, value: impl ToString) -> Result<Text<'de>, E> {
        self.0.repaired("unexpected type");
        Ok(Text(Some(Cow::Owned(value.to_string()))))
    }
}

impl<'de> Visitor<'de> for TextVisitor<'_> {
    type Value = Text<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }
    fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Text<'de>, E> {
        self.written(value)
    }
    fn visit_u64<E>(self, value: u64) -> Result<Text<'de>, E> {
        self.written(value)
    }
    fn visit_i64<E>(self, value: i64) -> Result<Text<'de>, E> {
        self.written(value)
    }
    fn visit_f64<E>(self, value: f64) -> Result<Text<'de>, E> {
        self.written(value)
    }
    other_types!(null list object);
}

impl<'de> Tolerant<'de> for Text<'de> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor(recorder))
    }
}

/// A boolean; the word `true` and numbers other than 0 are taken too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub bool);

struct FlagVisitor<'n>(&'n Recorder);

impl<'de> Visitor<'de> for FlagVisitor<'_> {
    type Value = Flag;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Flag, E> {
        Ok(Flag(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Flag, E> {
        self.0.repaired("unexpected type");
        Ok(Flag(value != 0))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Flag, E> {
        self.0.repaired("unexpected type");
        Ok(Flag(value != 0))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Flag, E> {
        self.0.repaired("unexpected type");
        Ok(Flag(value != 0.0))
    }
    fn visit_str<E>(self, value: &str) -> Result<Flag, E> {
        self.0.repaired("unexpected type");
        Ok(Flag(value.eq_ignore_ascii_case("true")))
    }
    other_types!(null list object);
}

impl<'de> Tolerant<'de> for Flag {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor(recorder))
    }
}

/// A value as its own JSON text, digit for digit; none for `null`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw<'de>(pub Option<&'de RawValue>);

impl<'de> Raw<'de> {
    /// The JSON text.
    pub fn get(&self) -> Option<&'de str> {
        self.0.map(RawValue::get)
    }

    /// Reads it as another type; the default when there is nothing. Where it cannot be decoded the
    /// recorder is marked as damaged, so that the unit is repaired and read again.
    pub fn parse<T: Tolerant<'de>>(&self, recorder: &Recorder) -> T {
        let Some(text) = self.get() else { return T::default() };
        from_slice(text.as_bytes(), recorder).unwrap_or_else(|_| {
            recorder.damaged.set(true);
            T::default()
        })
    }

    /// The elements of a list; another value is a list of itself.
    pub fn list(self, recorder: &Recorder) -> Vec<Self> {
        match self.get() {
            None => Vec::new(),
            Some(json) if json.starts_with('[') => self.parse::<List<Self>>(recorder).0,
            Some(_) => vec![self],
        }
    }
}

impl<'de> Tolerant<'de> for Raw<'de> {
    fn read<D: Deserializer<'de>>(_: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Self(Some(raw).filter(|raw| raw.get() != "null")))
    }
}

/// A list; a single value is taken as a list of one.
#[derive(Clone, Debug)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct ListVisitor<'n, T>(&'n Recorder, PhantomData<T>);

impl<'de, T: Tolerant<'de>> ListVisitor<'_, T> {
    fn single<D: Deserializer<'de>>(&self, deserializer: D) -> Result<List<T>, D::Error> {
        self.0.repaired("unexpected type");
        Ok(List(vec![T::read(self.0, deserializer)?]))
    }
}

impl<'de, T: Tolerant<'de>> Visitor<'de> for ListVisitor<'_, T> {
    type Value = List<T>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(Seed::new(self.0))? {
            items.push(item);
        }
        Ok(List(items))
    }
    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<List<T>, E> {
        self.single(serde::de::value::BorrowedStrDeserializer::new(text))
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<List<T>, E> {
        self.single(text.into_deserializer())
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<List<T>, A::Error> {
        self.single(MapAccessDeserializer::new(map))
    }
    other_types!(null bool number);
}

impl<'de, T: Tolerant<'de>> Tolerant<'de> for List<T> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(recorder, PhantomData))
    }
}

/// An object keyed by ids, in source order. Duplicate keys all come out; the reader decides.
#[derive(Clone, Debug)]
pub struct Table<'de, T> {
    /// Whether an object stood there at all.
    pub given: bool,
    /// The entries.
    pub entries: Vec<(Cow<'de, str>, T)>,
}

impl<T> Default for Table<'_, T> {
    fn default() -> Self {
        Self { given: false, entries: Vec::new() }
    }
}

struct TableVisitor<'n, T>(&'n Recorder, PhantomData<T>);

impl<'de, T: Tolerant<'de>> Visitor<'de> for TableVisitor<'_, T> {
    type Value = Table<'de, T>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Table<'de, T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            entries.push((key, map.next_value_seed(Seed::new(self.0))?));
        }
        Ok(Table { given: true, entries })
    }
    other_types!(null bool number string list);
}

impl<'de, T: Tolerant<'de>> Tolerant<'de> for Table<'de, T> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TableVisitor(recorder, PhantomData))
    }
}

/// Declares a struct that is read from an object with tolerance.
///
/// Each field names its key. `ignore` lists the keys that are known and mean nothing here; any other
/// key is counted as unknown under the path. A key that comes twice: the last one wins, and is counted.
macro_rules! tolerant {
    (
        $(#[$meta:meta])*
        struct $name:ident at $path:literal {
            $($key:literal => $field:ident: $type:ty,)*
        }
        ignore { $($ignored:literal)* }
    ) => {
        $(#[$meta])*
        #[derive(Default)]
        pub(super) struct $name<'de> {
            $(pub(super) $field: $type,)*
            /// Nothing; it keeps the lifetime in use.
            pub(super) _source: std::marker::PhantomData<&'de ()>,
        }

        impl<'de> $crate::import::json::tolerant::Tolerant<'de> for $name<'de> {
            fn read<D: serde::Deserializer<'de>>(
                recorder: &$crate::import::json::tolerant::Recorder,
                deserializer: D,
            ) -> Result<Self, D::Error> {
                use $crate::import::json::tolerant::{Key, Recorder, Seed, other_types};

                struct ObjectVisitor<'n>(&'n Recorder);
                #[derive(Default)]
                struct Seen { $($field: bool,)* }

                impl<'de> serde::de::Visitor<'de> for ObjectVisitor<'_> {
                    type Value = $name<'de>;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut value = $name::default();
                        let mut seen = Seen::default();
                        while let Some(Key(key)) = map.next_key()? {
                            match key.as_ref() {
                                $($key => {
                                    if std::mem::replace(&mut seen.$field, true) {
                                        self.0.repaired("duplicate key");
                                    }
                                    value.$field = map.next_value_seed(Seed::new(self.0))?;
                                })*
                                $($ignored => { map.next_value::<serde::de::IgnoredAny>()?; })*
                                other => {
                                    self.0.unknown($path, other);
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(value)
                    }
                    other_types!(null bool number string list);
                }
                deserializer.deserialize_any(ObjectVisitor(recorder))
            }
        }
    };
}
pub(crate) use tolerant;

/// All fields of an object as raw JSON, for objects whose fields depend on their type.
#[derive(Clone, Debug, Default)]
pub struct Fields<'de>(pub Vec<(Cow<'de, str>, &'de RawValue)>);

impl<'de> Fields<'de> {
    /// The last field of this name that is not `null`.
    pub fn get(&self, key: &str) -> Raw<'de> {
        let found = self.0.iter().rev().find(|(name, _)| name == key);
        Raw(found.map(|(_, raw)| *raw).filter(|raw| raw.get() != "null"))
    }

    /// A field as text.
    pub fn text(&self, key: &str, recorder: &Recorder) -> Text<'de> {
        self.get(key).parse(recorder)
    }

    /// The object written again, field for field.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{");
        for (index, (key, raw)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str(&serde_json::to_string(key).unwrap_or_default());
            out.push(':');
            out.push_str(raw.get());
        }
        out.push('}');
        out
    }

    /// Reads the fields of an object that is already open.
    pub fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut fields = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            fields.push((key, map.next_value::<&RawValue>()?));
        }
        Ok(Self(fields))
    }
}

struct FieldsVisitor<'n>(&'n Recorder);

impl<'de> Visitor<'de> for FieldsVisitor<'_> {
    type Value = Fields<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Fields<'de>, A::Error> {
        Fields::from_map(map)
    }
    other_types!(null bool number string list);
}

impl<'de> Tolerant<'de> for Fields<'de> {
    fn read<D: Deserializer<'de>>(recorder: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldsVisitor(recorder))
    }
}

impl<'de> Tolerant<'de> for IgnoredAny {
    fn read<D: Deserializer<'de>>(_: &Recorder, deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer)
    }
}
