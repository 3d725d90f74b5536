//! Text of a record in Markdown.

use erlmcp_record::{is_unseen, plain};

/// Text that is nothing but text: neither HTML nor a link or picture, and all of it in its line. What is compared with a
/// limit stays as it is ("< 100 ms").
pub(crate) fn prose(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied();
        match letter {
            '<' if next.is_some_and(|next| next.is_alphabetic() || "/!?".contains(next)) => safe.push_str("&lt;"),
            '&' if next.is_some_and(|next| next.is_alphabetic() || next == '#') => safe.push_str("&amp;"),
            ']' if next.is_some_and(|next| "(:".contains(next)) => safe.push_str("\\]"),
            '\\' if next.is_some_and(|next| next.is_ascii_punctuation()) => safe.push_str("\\\\"),
            '\n' => safe.push(' '),
            letter if is_unseen(letter) => safe.extend(letter.escape_default()),
            letter => safe.push(letter),
        }
    }
    safe
}

/// The same in a cell of a table, which it does not end.
pub(crate) fn cell(text: &str) -> String {
    prose(text).replace('|', "\\|")
}

/// Text between more backticks than it has in a row itself.
pub(crate) fn code(text: &str) -> String {
    let text = plain(text);
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// The same in a cell of a table.
pub(crate) fn code_cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_markup() {
        assert_eq!(prose("<script>x</script> <!-- <?"), "&lt;script>x&lt;/script> &lt;!-- &lt;?");
        assert_eq!(prose("![a](b) [c]: d [e][f]"), r"![a\](b) [c\]: d [e][f]");
        assert_eq!(prose(r"\<b> \](c) \u{1b}"), r"\\&lt;b> \\\](c) \u{1b}");
        assert_eq!(prose("&lt; a & b"), "&amp;lt; a & b");
        assert_eq!(prose("P99 < 100 ms\n[ PASS ] <= 5"), "P99 < 100 ms [ PASS ] <= 5");
        assert_eq!(cell("a|b\x1b[1m\u{9b}"), r"a\|b\u{1b}[1m\u{9b}");
        assert_eq!(code("a `` <hidden>"), "``` a `` <hidden> ```");
    }
}
