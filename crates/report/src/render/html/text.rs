//! Text in a page.

use erlmcp_record::is_unseen;

/// Text as it may stand in an element and in an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            letter if letter != '\n' && is_unseen(letter) => safe.extend(letter.escape_default()),
            letter => safe.push(letter),
        }
    }
    safe
}

/// A section with an anchor.
pub(super) fn section(id: &str, title: &str, body: &str) -> String {
    format!(
        "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\">{title}</h2>\n{body}</section>\n"
    )
}

/// A table that scrolls sideways where the screen is narrow; of each column whether its cells are numbers. The cells are
/// already HTML.
pub(super) fn table(caption: &str, heading: &[(&str, bool)], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let class = |is_number: bool| if is_number { " class=\"n\"" } else { "" };
    let heads: String =
        heading.iter().map(|(name, is_number)| format!("<th scope=\"col\"{}>{name}</th>", class(*is_number))).collect();
    let mut body = String::new();
    for row in rows {
        body += "<tr>";
        for (at, cell) in row.iter().enumerate() {
            let is_number = heading.get(at).is_some_and(|(_, is_number)| *is_number);
            body += &match at {
                0 => format!("<th scope=\"row\"{}>{cell}</th>", class(is_number)),
                _ => format!("<td{}>{cell}</td>", class(is_number)),
            };
        }
        body += "</tr>\n";
    }
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table></div>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_run_becomes_markup() {
        assert_eq!(
            escaped("</script><b a='1' b=\"2\">&"),
            "&lt;/script&gt;&lt;b a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;"
        );
    }
}
