//! Headers, tokens and certificates: from arguments to what is sent. What is secret is never said again.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use erlmcp_record::without_query_values;

use crate::args::{Era, ReachingArgs};

/// In the place of a secret.
pub(super) const HIDDEN: &str = "<hidden>";
/// A token that is longer does not fit a server's head.
const TOKEN_MAX: usize = 16 * 1024;
/// All of them go to each agent in one message.
const TOKENS_MAX: usize = 2 * 1024 * 1024;

impl From<Era> for erlmcp_orchestrator::Era {
    fn from(era: Era) -> Self {
        match era {
            Era::Auto => Self::Auto,
            Era::Modern => Self::Modern,
            Era::Legacy => Self::Legacy,
        }
    }
}

impl ReachingArgs {
    /// Name and value of the headers for every request, the bearer token among them.
    pub(crate) fn headers(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut headers = self.headers.iter().map(|header| split(header)).collect::<anyhow::Result<Vec<_>>>()?;
        if let Some(token) = self.token()? {
            let is_there = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
            ensure!(!is_there, "--header Authorization and a bearer token are one too many: leave one out");
            headers.push(("Authorization".into(), format!("Bearer {token}")));
        }
        Ok(headers)
    }

    /// Those that connections take in turn; empty: all requests have the same headers.
    pub(crate) fn tokens(&self) -> anyhow::Result<Vec<String>> {
        let Some(path) = &self.token_file else { return Ok(Vec::new()) };
        let text = read(path)?;
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let tokens = lines.map(|(number, line)| bearer(line, || format!("line {number} of {}", path.display())));
        let tokens: Vec<String> = tokens.collect::<anyhow::Result<_>>()?;
        let bytes: usize = tokens.iter().map(String::len).sum();
        ensure!(!tokens.is_empty(), "{} holds no bearer token: one a line is expected", path.display());
        ensure!(bytes <= TOKENS_MAX, "{} holds more than {TOKENS_MAX} bytes of tokens: use fewer", path.display());
        Ok(tokens)
    }

    fn token(&self) -> anyhow::Result<Option<String>> {
        if self.token_file.is_some() {
            return Ok(self.tokens()?.into_iter().next());
        }
        let (from, text) = match (&self.bearer_file, &self.bearer_env) {
            (Some(path), _) => (path.display().to_string(), read(path)?),
            (None, Some(name)) => {
                let text = std::env::var(name)
                    .ok()
                    .with_context(|| format!("the environment variable {name} of --bearer-env is not set to a text"))?;
                (name.clone(), text)
            }
            (None, None) => return Ok(None),
        };
        bearer(&text, || from).map(Some)
    }

    /// Root certificates to trust beside the system's, PEM; empty for none.
    pub(crate) fn ca_pem(&self) -> anyhow::Result<String> {
        let Some(path) = &self.cacert else { return Ok(String::new()) };
        let text = read(path)?;
        if !text.contains("-----BEGIN CERTIFICATE-----") {
            bail!("{} holds no certificate in PEM", path.display());
        }
        Ok(text)
    }

    /// The flags with which they were given, and their values; of headers the names alone.
    pub(crate) fn flags(&self) -> Vec<(&'static str, String)> {
        let name = |header: &String| header.split_once(':').map(|(name, _)| ("-H", format!("{}: ...", name.trim())));
        let file = |flag: &'static str, path: &Option<PathBuf>| Some((flag, path.as_ref()?.display().to_string()));
        let others = [
            file("--bearer-file", &self.bearer_file),
            self.bearer_env.clone().map(|name| ("--bearer-env", name)),
            file("--token-file", &self.token_file),
            file("--cacert", &self.cacert),
        ];
        self.headers.iter().filter_map(name).chain(others.into_iter().flatten()).collect()
    }

    /// The command line for the record: each header with its name alone, and the URL of the target without the values of its
    /// query.
    pub(crate) fn without_secrets(
        &self,
        target: Option<&str>,
        command_line: impl IntoIterator<Item = String>,
    ) -> Vec<String> {
        let mut headers: Vec<&String> = self.headers.iter().collect();
        // One that has another one in it goes as a whole.
        headers.sort_unstable_by_key(|header| Reverse(header.len()));
        let hide = |word: String| {
            let word = match target.filter(|target| !target.is_empty()) {
                Some(target) => word.replace(target, &without_query_values(target)),
                None => word,
            };
            headers.iter().fold(word, |word, header| {
                let name = header.split_once(':').map_or("", |(name, _)| name);
                word.replace(header.as_str(), &format!("{name}: {HIDDEN}"))
            })
        };
        command_line.into_iter().map(hide).collect()
    }
}

/// The bearer token of a file.
pub(super) fn bearer_of(path: &Path) -> anyhow::Result<String> {
    bearer(&read(path)?, || path.display().to_string())
}

/// A bearer token. What is none is not repeated.
fn bearer(text: &str, from: impl FnOnce() -> String) -> anyhow::Result<String> {
    let token = word(text, TOKEN_MAX);
    token.with_context(|| format!("{} holds no bearer token: one word of ASCII is expected, and nothing else", from()))
}

/// The one word of visible ASCII that a text is, of `max` bytes at most.
pub(super) fn word(text: &str, max: usize) -> Option<String> {
    let word = text.trim();
    let is_word = !word.is_empty() && word.len() <= max && word.bytes().all(|byte| byte.is_ascii_graphic());
    is_word.then(|| word.to_string())
}

pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// What is no header is not repeated: it may be a secret all the same.
fn split(header: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = header.split_once(':').context("a --header has no colon: write it as 'Name: value'")?;
    Ok((name.trim().to_string(), value.trim().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(headers: &[&str]) -> ReachingArgs {
        ReachingArgs { headers: headers.iter().map(ToString::to_string).collect(), ..ReachingArgs::default() }
    }

    #[test]
    fn headers_are_split_at_the_first_colon() {
        assert_eq!(given(&["X-A: b:c"]).headers().expect("a header"), [("X-A".to_string(), "b:c".to_string())]);
        let error = given(&["Bearer s3cret"]).headers().expect_err("no header").to_string();
        assert!(!error.contains("s3cret"), "{error}");
    }

    #[test]
    fn a_token_comes_from_a_file_without_its_line_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        let args = ReachingArgs { bearer_file: Some(path.clone()), ..given(&["X-A: b"]) };
        assert!(args.headers().expect_err("no file").to_string().contains("token"));
        std::fs::write(&path, "s3cret\n").expect("written");
        assert_eq!(args.headers().expect("fine")[1], ("Authorization".to_string(), "Bearer s3cret".to_string()));
        let twice = ReachingArgs { headers: vec!["authorization: x".into()], ..args.clone() };
        assert!(twice.headers().is_err());
        for wrong in ["", "two words", "s3cret\r\nX: y", "gr\u{fc}n"] {
            std::fs::write(&path, wrong).expect("written");
            let error = args.headers().expect_err(wrong).to_string();
            assert!(error.contains("no bearer token") && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn tokens_are_lines_and_the_first_is_that_of_single_requests() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tokens");
        let args = ReachingArgs { token_file: Some(path.clone()), ..ReachingArgs::default() };
        std::fs::write(&path, "s3cret-a\n\n s3cret-b\r\n").expect("written");
        assert_eq!(args.tokens().expect("two"), ["s3cret-a", "s3cret-b"]);
        assert_eq!(args.headers().expect("one")[0].1, "Bearer s3cret-a");
        for wrong in ["", "\n", "s3cret-a\ntwo words\n"] {
            std::fs::write(&path, wrong).expect("written");
            let error = args.tokens().expect_err(wrong).to_string();
            assert!(error.contains("no bearer token") && !error.contains("s3cret"), "{error}");
        }
        assert!(args.tokens().is_err() && ReachingArgs::default().tokens().expect("none").is_empty());
    }

    #[test]
    fn a_variable_that_is_not_there_is_named() {
        let args = ReachingArgs { bearer_env: Some("ERLMCP_NO_SUCH_TOKEN".into()), ..ReachingArgs::default() };
        assert!(args.headers().expect_err("not set").to_string().contains("ERLMCP_NO_SUCH_TOKEN"));
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "hello").expect("written");
        let args = ReachingArgs { cacert: Some(path), ..ReachingArgs::default() };
        assert!(args.ca_pem().expect_err("no certificate").to_string().contains("ca.pem"));
        assert_eq!(ReachingArgs::default().ca_pem().expect("none"), "");
    }

    #[test]
    fn flags_for_another_command_have_no_secrets() {
        let args = ReachingArgs {
            bearer_file: Some("token".into()),
            cacert: Some("ca.pem".into()),
            ..given(&["X-Key: s3cret", "s3cret"])
        };
        let flags = [("-H", "X-Key: ..."), ("--bearer-file", "token"), ("--cacert", "ca.pem")];
        assert_eq!(args.flags(), flags.map(|(flag, value)| (flag, value.to_string())));
    }

    #[test]
    fn the_recorded_command_line_has_names_of_headers_only() {
        let args = given(&["Authorization: Bearer s3cret", "X-Key:abc"]);
        let words = ["erlmcp", "-H", "Authorization: Bearer s3cret", "--header=X-Key:abc", "-c", "10"];
        let kept = args.without_secrets(None, words.map(String::from));
        assert_eq!(kept, ["erlmcp", "-H", "Authorization: <hidden>", "--header=X-Key: <hidden>", "-c", "10"]);
    }

    #[test]
    fn no_part_of_a_header_that_begins_like_another_one_is_recorded() {
        let (short, long) = ("Cookie: a=1", "Cookie: a=1; sid=s3cret");
        for headers in [[short, long], [long, short]] {
            let kept = given(&headers).without_secrets(None, headers.map(String::from));
            assert_eq!(kept, ["Cookie: <hidden>", "Cookie: <hidden>"]);
        }
    }

    #[test]
    fn the_recorded_command_line_has_no_keys_of_the_target() {
        let url = "https://a/mcp?k=s3cret";
        let kept = given(&[]).without_secrets(Some(url), ["erlmcp".into(), "stress".into(), url.to_string()]);
        assert_eq!(kept, ["erlmcp", "stress", "https://a/mcp?k=***"]);
    }
}
