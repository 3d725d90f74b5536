//! Where the log is written: what others have sent may be in a line of it, but never ends it nor moves the terminal's cursor.

use std::fmt::{self, Write};
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::debug_fn;

use crate::screen;

/// Warnings, unless ERLMCP_LOG says otherwise: `info`, `debug`, `erlmcp_server=debug`.
pub(crate) fn to_stderr(has_color: bool) {
    let filter = EnvFilter::try_from_env("ERLMCP_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let has_color = std::io::stderr().is_terminal() && has_color;
    // What is logged while a screen has the terminal would be written across it.
    let writer = || -> Box<dyn std::io::Write> {
        if screen::has_terminal() { Box::new(std::io::sink()) } else { Box::new(std::io::stderr()) }
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(has_color);
    // Where standard error takes no more bytes, to say so there would end the thread that speaks.
    log.with_target(false).log_internal_errors(false).fmt_fields(fields()).init();
}

/// Writes the message and the fields of a line.
fn fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    let one = debug_fn(|writer, field, value| {
        let mut plain = Plain(writer);
        match field.name() {
            "message" => write!(plain, "{value:?}"),
            name => write!(plain, "{name}={value:?}"),
        }
    });
    one.delimited(" ")
}

/// Passes text on with its control characters written out, line ends among them.
struct Plain<W>(W);

impl<W: Write> Write for Plain<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_unseen) {
            self.0.write_str(&rest[..at])?;
            let unseen = rest[at..].chars().next().unwrap_or_default();
            write!(self.0, "{}", unseen.escape_default())?;
            rest = &rest[at + unseen.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// Controls, and what turns the direction of the text around it.
fn is_unseen(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text in which nothing ends its line nor moves the terminal's cursor.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = Plain(String::new());
    // A string takes everything.
    let _ = plain.write_str(text);
    plain.0
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("one thread").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_others_have_sent_stays_within_its_line() {
        let (lines, name) = (Lines::default(), "a\x1b[2J\r\nERROR all is lost\u{9b}\u{202e}\0ä");
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).fmt_fields(fields());
        tracing::subscriber::with_default(log.with_target(false).finish(), || {
            tracing::warn!("the tool {name} said so");
            tracing::warn!(header = %name, tool = ?name, "a field");
            let _span = tracing::warn_span!("of", name).entered();
            tracing::error!("in a span");
        });
        let text = String::from_utf8(lines.0.lock().expect("one thread").clone()).expect("UTF-8");
        assert_eq!(text.lines().count(), 3, "{text:?}");
        assert!(text.chars().all(|letter| letter == '\n' || !is_unseen(letter)), "{text:?}");
        for said in [r"the tool a\u{1b}[2J\r\nERROR all is lost\u{9b}\u{202e}\u{0}ä said so", "a field header=a"] {
            assert!(text.contains(said), "{said:?} is not in {text:?}");
        }
    }

    #[test]
    fn a_plain_text_is_left_alone() {
        assert_eq!(plain("cannot listen on [::1]:80: \u{e4}"), "cannot listen on [::1]:80: \u{e4}");
        assert_eq!(plain("\x1b]0;x\x07\n"), r"\u{1b}]0;x\u{7}\n");
    }
}
