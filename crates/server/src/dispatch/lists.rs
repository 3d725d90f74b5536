//! Lists in pages: written once, sent often. A cursor says all that is needed, so that every replica can go on.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// The pages of a list, as the members of a result. The first one is always there.
#[derive(Debug)]
pub(crate) struct Pages {
    /// Says which list it is, in its cursors.
    name: &'static str,
    pages: Vec<Vec<u8>>,
}

impl Pages {
    /// `name` is the key of the list in its result; `more` are members of every page: JSON text, with a comma before.
    pub(crate) fn new(name: &'static str, entries: &[impl Serialize], page_entries_max: usize, more: &str) -> Self {
        let size = page_entries_max.max(1);
        let count = entries.len().div_ceil(size).max(1);
        let page = |index: usize| {
            let here = &entries[index * size..entries.len().min((index + 1) * size)];
            let mut page = format!("\"{name}\":").into_bytes();
            // What is listed is made of strings and JSON.
            let _ = serde_json::to_writer(&mut page, here);
            if index + 1 < count {
                page.extend_from_slice(format!(",\"nextCursor\":\"{}\"", cursor(name, index + 1)).as_bytes());
            }
            page.extend_from_slice(more.as_bytes());
            page
        };
        Self { name, pages: (0..count).map(page).collect() }
    }

    /// The page that a request asks for; `asked` is the JSON text of its cursor. None: the cursor is none of this
    /// list's.
    pub(crate) fn page(&self, asked: Option<&str>) -> Option<&[u8]> {
        let index = match asked {
            None => 0,
            Some(asked) => {
                let asked = asked.strip_prefix('"')?.strip_suffix('"')?;
                (1..self.pages.len()).find(|index| cursor(self.name, *index) == asked)?
            }
        };
        self.pages.get(index).map(Vec::as_slice)
    }
}

fn cursor(name: &str, index: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("{name} {index}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(page: &[u8]) -> Value {
        serde_json::from_str(&format!("{{{}}}", String::from_utf8_lossy(page))).expect("members of an object")
    }

    #[test]
    fn all_pages_together_are_the_list() {
        let pages = Pages::new("tools", &[1, 2, 3, 4, 5], 2, ",\"ttlMs\":1");
        let (mut found, mut asked): (Vec<Value>, Option<String>) = (Vec::new(), None);
        loop {
            let page = read(pages.page(asked.as_deref()).expect("a page"));
            assert_eq!(page["ttlMs"], 1);
            found.extend(page["tools"].as_array().expect("a list").iter().cloned());
            match page.get("nextCursor") {
                Some(next) => asked = Some(next.to_string()),
                None => break,
            }
        }
        assert_eq!(json!(found), json!([1, 2, 3, 4, 5]));
    }

    #[test]
    fn other_cursors_are_none() {
        let pages = Pages::new("tools", &[1, 2, 3], 1, "");
        let other = Pages::new("prompts", &[1, 2, 3], 1, "");
        let next = read(other.page(None).expect("a page"))["nextCursor"].to_string();
        assert!(other.page(Some(&next)).is_some());
        for cursor in [next.as_str(), "\"\"", "\"x\"", "7", "null", "{}", "\"\u{e4}\""] {
            assert_eq!(pages.page(Some(cursor)), None, "{cursor}");
        }
        assert_eq!(read(Pages::new("tools", &[0; 0], 5, "").page(None).expect("a page")), json!({"tools": []}));
    }
}
