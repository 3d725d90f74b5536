//! Which uris a template stands for.

use std::collections::BTreeMap;

/// A template's parts: text, name, text, ..., beginning and ending with text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    first: String,
    /// Each name with the text behind it.
    rest: Vec<(String, String)>,
}

impl Template {
    /// Reads `app://users/{id}/data`. None where braces do not pair, a name is empty or there twice, or two names touch.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut pieces = text.split('{');
        let first = pieces.next().filter(|first| !first.contains('}'))?.to_string();
        let mut rest: Vec<(String, String)> = Vec::new();
        for piece in pieces {
            let (name, behind) = piece.split_once('}')?;
            let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let touches = rest.last().is_some_and(|(_, text)| text.is_empty());
            let again = rest.iter().any(|(own, _)| own == name);
            if !plain || touches || again || behind.contains('}') {
                return None;
            }
            rest.push((name.to_string(), behind.to_string()));
        }
        Some(Self { first, rest })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.rest.iter().any(|(own, _)| own == name)
    }

    /// What stands for the names, where `uri` is one of the template's.
    pub(crate) fn variables(&self, uri: &str) -> Option<BTreeMap<String, String>> {
        let mut left = uri.strip_prefix(self.first.as_str())?;
        let mut found = BTreeMap::new();
        for (place, (name, text)) in self.rest.iter().enumerate() {
            let is_last = place + 1 == self.rest.len();
            let end = match (is_last, text.as_str()) {
                (true, text) => left.strip_suffix(text)?.len(),
                (false, text) => left.find(text)?,
            };
            let value = &left[..end];
            if value.is_empty() || value.contains('/') {
                return None;
            }
            found.insert(name.clone(), value.to_string());
            left = &left[end + text.len()..];
        }
        left.is_empty().then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_taken_apart() {
        let template = Template::parse("app://{kind}/{id}/data").expect("a good template");
        let found = template.variables("app://users/7/data").expect("one of its uris");
        assert_eq!(found, BTreeMap::from([("kind".into(), "users".into()), ("id".into(), "7".into())]));
        for other in ["app://users/7", "app://users/7/8/data", "app:///7/data", "app://users//data", "x"] {
            assert_eq!(template.variables(other), None, "{other}");
        }
        let plain = Template::parse("app://a").expect("without names");
        assert_eq!((plain.variables("app://a"), plain.variables("app://ab")), (Some(BTreeMap::new()), None));
        assert!(template.has("id") && !template.has("x"));
    }

    #[test]
    fn broken_templates_are_turned_away() {
        for broken in ["a{", "a}", "a{}", "{a}{b}", "{a}}", "{a b}", "{+a}", "{a}/{a}"] {
            assert_eq!(Template::parse(broken), None, "{broken}");
        }
    }
}
