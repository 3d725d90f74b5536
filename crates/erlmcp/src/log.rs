//! Where the log is written: what others have sent may be in a line of it, but never ends it nor moves the terminal's cursor.

use std::fmt::Write;
use std::io::IsTerminal;

use erlmcp_record::Plain;
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use erlmcp_record::is_unseen;

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
}
