//! Types read from texts by name: the variables of a template, the arguments of a prompt.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::de::value::{Error, MapDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

/// Reads a struct of texts, numbers, bools, enums of words, or options of such. The error names the text that is wrong.
pub(super) fn read<T: DeserializeOwned>(texts: &BTreeMap<String, String>) -> Result<T, String> {
    let named = texts.iter().map(|(name, text)| (name.as_str(), Named { name, text }));
    T::deserialize(MapDeserializer::new(named)).map_err(|error| error.to_string())
}

/// A text, and what it is called.
#[derive(Clone, Copy)]
struct Named<'a> {
    name: &'a str,
    text: &'a str,
}

impl<'a> Named<'a> {
    fn parse<T: FromStr>(self, kind: &str) -> Result<T, Error> {
        let wrong = |_| Error::custom(format_args!("{}: {:?} is not {kind}", self.name, self.text));
        self.text.parse().map_err(wrong)
    }

    fn plain(self) -> StrDeserializer<'a, Error> {
        self.text.into_deserializer()
    }
}

impl<'a> IntoDeserializer<'a, Error> for Named<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The ways to read a text as a number.
macro_rules! numbers {
    ($($method:ident $visit:ident $kind:literal)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(self.parse($kind)?)
        })*
    };
}

impl<'de> Deserializer<'de> for Named<'_> {
    type Error = Error;

    numbers! {
        deserialize_i8 visit_i8 "a whole number of this size"
        deserialize_i16 visit_i16 "a whole number of this size"
        deserialize_i32 visit_i32 "a whole number of this size"
        deserialize_i64 visit_i64 "a whole number of this size"
        deserialize_u8 visit_u8 "a whole number of this size"
        deserialize_u16 visit_u16 "a whole number of this size"
        deserialize_u32 visit_u32 "a whole number of this size"
        deserialize_u64 visit_u64 "a whole number of this size"
        deserialize_f32 visit_f32 "a number"
        deserialize_f64 visit_f64 "a number"
        deserialize_bool visit_bool "true or false"
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.text)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let read = self.plain().deserialize_enum(name, variants, visitor);
        read.map_err(|error| Error::custom(format_args!("{}: {error}", self.name)))
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier
        ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Size {
        Small,
        Large,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Id(u64);

    #[derive(Debug, PartialEq, Deserialize)]
    struct Asked {
        id: Id,
        name: String,
        share: f64,
        size: Size,
        draft: Option<bool>,
        page: Option<u8>,
    }

    fn asked(change: (&str, &str)) -> Result<Asked, String> {
        let good = [("id", "7"), ("name", "8"), ("share", "0.5"), ("size", "large"), ("draft", "true")];
        let mut texts: BTreeMap<String, String> = good.map(|(name, text)| (name.to_string(), text.to_string())).into();
        texts.insert(change.0.to_string(), change.1.to_string());
        read(&texts)
    }

    #[test]
    fn texts_become_values() {
        let expected =
            Asked { id: Id(7), name: "8".to_string(), share: 0.5, size: Size::Large, draft: Some(true), page: None };
        assert_eq!(asked(("more", "is passed over")), Ok(expected));
        assert_eq!(asked(("size", "small")).map(|asked| asked.size), Ok(Size::Small));
    }

    #[test]
    fn the_wrong_text_is_named() {
        assert_eq!(asked(("id", "-1")).expect_err("negative"), "id: \"-1\" is not a whole number of this size");
        assert_eq!(asked(("draft", "maybe")).expect_err("unclear"), "draft: \"maybe\" is not true or false");
        let error = asked(("size", "huge")).expect_err("unknown");
        assert!(error.starts_with("size: unknown variant `huge`"), "{error}");
        let missing = read::<Id>(&BTreeMap::new());
        assert!(missing.is_err());
        let missing = read::<Asked>(&BTreeMap::from([("id".to_string(), "1".to_string())])).expect_err("no name");
        assert_eq!(missing, "missing field `name`");
    }
}
