//! A conversation with a server, call by call, by the same client that a load is made of.

use std::fmt;

use erlmcp_protocol::client::answer::Said;
use erlmcp_protocol::client::request::Ask;
use erlmcp_protocol::client::{canned, param};
use erlmcp_protocol::header::method;
use serde_json::Value;

use super::super::target::{BadSetup, Spoken, Target};
use super::ear::Ear;
use super::exchange::Exchanger;
use super::{PATIENCE, at_some, discover, farewell, listing, meet};
use crate::proto;

/// The client's side of it, from the first answer on. Errors are sentences for people.
pub struct Conversation<'t> {
    exchanger: Exchanger<'t>,
    spoken: Spoken,
    ear: Option<Ear>,
}

/// Meets the server that `setup` names as an agent would, speaks with it, and ends the session. It waits, so it is called
/// on a thread that may.
///
/// # Errors
/// Where nobody answers in MCP, and those of `talk`: one sentence.
pub fn converse<T>(
    setup: &proto::Setup,
    talk: impl FnOnce(&mut Conversation<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let target = Target::of(setup).map_err(|error: BadSetup| error.to_string())?;
    let met = at_some(&target, 0, |address| {
        let mut exchanger = Exchanger::new(&target, address, PATIENCE)?;
        meet(&mut exchanger).map(|found| (exchanger, found.spoken))
    });
    let (exchanger, spoken) = met.map_err(|trouble| trouble.to_string())?;
    let mut conversation = Conversation { exchanger, spoken, ear: None };
    let result = talk(&mut conversation);
    conversation.ear = None;
    farewell(&target, &conversation.spoken);
    result
}

impl Conversation<'_> {
    /// Opens the session's own stream, if there is one; what the server asks there is answered until the end.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub fn listen(&mut self) -> Result<(), String> {
        self.ear = Ear::open(&self.exchanger, &self.spoken).map_err(|trouble| trouble.to_string())?;
        Ok(())
    }

    /// The tools that may be called, as they are listed: those whose schema breaks the rules for headers may not.
    ///
    /// # Errors
    /// Where the server does not list them.
    pub fn tools(&mut self) -> Result<Vec<Value>, String> {
        Ok(listing::callable(self.list(method::TOOLS_LIST, "tools")?, self.exchanger.target))
    }

    /// Everything that a method lists under this key.
    ///
    /// # Errors
    /// Where the server does not list it.
    pub fn list(&mut self, method: &str, key: &str) -> Result<Vec<Value>, String> {
        let listed = listing::list(&mut self.exchanger, &mut self.spoken, (method, key));
        listed.map_err(|trouble| trouble.to_string())
    }

    /// Calls a tool that was listed so. Answers with the result, which may be `isError`.
    ///
    /// # Errors
    /// Where the call has no result.
    pub fn call(&mut self, tool: &Value, arguments: &Value) -> Result<Value, String> {
        let wanted = param::of_schema(&tool["inputSchema"]).map_err(|error| error.to_string())?;
        let (params, arguments_text) = (param::headers(&wanted, arguments), arguments.to_string());
        self.ask(&Ask {
            method: method::TOOLS_CALL,
            name: tool["name"].as_str(),
            arguments: Some(&arguments_text),
            params: &params,
            ..Ask::default()
        })
    }

    /// Arguments that fit a tool's schema; none where they are too long.
    pub fn arguments_for(tool: &Value) -> Value {
        canned::content(&tool["inputSchema"]).unwrap_or_default()
    }

    /// What a method gives of one resource (by its URI) or prompt (by its name).
    ///
    /// # Errors
    /// Where it gives nothing.
    pub fn get(&mut self, method: &str, name: &str) -> Result<Value, String> {
        self.ask(&Ask { method, name: Some(name), ..Ask::default() })
    }

    fn ask(&mut self, ask: &Ask<'_>) -> Result<Value, String> {
        let answered = self.exchanger.ask(&mut self.spoken, ask).map_err(|trouble| trouble.to_string())?;
        let mut message = answered.message();
        let method = ask.method;
        match answered.said {
            Said::Ok | Said::ToolError => Ok(message["result"].take()),
            Said::RpcError(_) => {
                Err(format!("{method} is answered with {}", discover::told(&message["error"], self.exchanger.target)))
            }
            Said::InputRequired => Err(format!("{method} asks for what cannot be answered")),
            Said::NoResponse => Err(format!("the stream of {method} ended without its response")),
            _ => Err(format!("{method} is answered with HTTP {} and no result", answered.status)),
        }
    }
}

impl fmt::Debug for Conversation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation").field("version", &self.spoken.version).finish_non_exhaustive()
    }
}
