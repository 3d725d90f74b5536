//! Bearer tokens of many principals, spread over connections. They are said nowhere.

use std::sync::Arc;

use erlmcp_protocol::client::request;

/// The tokens of a run; without any nothing is done, and what is sent is as it was rendered.
#[derive(Clone, Default)]
pub(crate) struct Tokens {
    /// Of each token the whole header line, with its end.
    lines: Arc<[Box<[u8]>]>,
    agent: usize,
    agents: usize,
}

impl Tokens {
    pub(crate) fn new(tokens: &[String], agent: u32, agents: u32) -> Self {
        let line = |token: &String| format!("Authorization: Bearer {token}\r\n").into_bytes().into();
        Self { lines: tokens.iter().map(line).collect(), agent: agent as usize, agents: agents.max(1) as usize }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Puts the token of this one of the agent's principals, always the same, into what was rendered for it. Those of all
    /// agents take the tokens in turn.
    pub(crate) fn put(&self, principal: u32, rendered: &mut Vec<u8>) {
        if !self.lines.is_empty() {
            let place = (principal as usize).wrapping_mul(self.agents).wrapping_add(self.agent);
            request::put_line(rendered, &self.lines[place % self.lines.len()]);
        }
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens", self.lines.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_all_agents_take_the_tokens_in_turn() {
        let tokens = ["s3cret-a", "s3cret-b", "s3cret-c"].map(String::from);
        let mut seen = Vec::new();
        for key in 0..3 {
            for agent in 0..2 {
                let mut out = b"POST /mcp HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
                Tokens::new(&tokens, agent, 2).put(key, &mut out);
                let text = String::from_utf8(out).expect("text");
                let token = text.lines().nth(1).and_then(|line| line.strip_prefix("Authorization: Bearer "));
                seen.push(token.expect("it is there").to_string());
                assert!(text.ends_with("\r\nHost: a\r\n\r\n"), "{text}");
            }
        }
        assert_eq!(seen, ["s3cret-a", "s3cret-b", "s3cret-c", "s3cret-a", "s3cret-b", "s3cret-c"]);
        assert!(!format!("{:?}", Tokens::new(&tokens, 0, 1)).contains("s3cret"));
        let mut plain = b"GET / HTTP/1.1\r\n\r\n".to_vec();
        Tokens::default().put(7, &mut plain);
        assert_eq!(plain, b"GET / HTTP/1.1\r\n\r\n");
    }
}
