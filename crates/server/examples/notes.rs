//! Notes that are read as resources: subscribers hear of a note that was changed, and a prompt is made of one.
//! `cargo run -p erlmcp-server --example notes [ADDRESS:PORT]`
#![expect(clippy::print_stdout, reason = "an example says where it listens")]

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use erlmcp_server::features::{
    Failure, PromptArguments, PromptMessage, PromptResult, PromptSpec, ResourceRequest, ResourceSpec, TemplateSpec,
};
use erlmcp_server::tools::{Content, JobContext, ResourceContents, Tool, ToolError};
use erlmcp_server::{Registry, Server, ServerConfig, with};
use schemars::JsonSchema;
use serde::Deserialize;

const INDEX: &str = "notes://index";
/// Nothing here grows without an end.
const NOTES_MAX: usize = 1_000;

/// The notes by their ids.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<BTreeMap<u32, String>>>);

#[derive(Deserialize, JsonSchema)]
struct Note {
    /// Which note; one that is not there yet is made.
    id: u32,
    /// What it says.
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    /// Which note.
    id: u32,
}

impl Notes {
    fn all(&self) -> MutexGuard<'_, BTreeMap<u32, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(self, context: JobContext, note: Note) -> Result<String, ToolError> {
        let mut all = self.all();
        if all.len() == NOTES_MAX && !all.contains_key(&note.id) {
            return Err(ToolError::new("There are too many notes."));
        }
        let is_new = all.insert(note.id, note.text).is_none();
        drop(all);
        context.notifier().updated(&uri(note.id));
        if is_new {
            context.notifier().updated(INDEX);
        }
        Ok(format!("Written: {}.", uri(note.id)))
    }

    async fn index(self, _: JobContext, request: ResourceRequest) -> Result<Vec<ResourceContents<'static>>, Failure> {
        let uris: Vec<String> = self.all().keys().copied().map(uri).collect();
        Ok(vec![ResourceContents::text(request.uri, "text/plain", uris.join("\n"))])
    }

    async fn read(self, _: JobContext, request: ResourceRequest) -> Result<Vec<ResourceContents<'static>>, Failure> {
        let Named { id } = request.parse()?;
        let text = self.all().get(&id).cloned().ok_or_else(|| Failure::no_resource(&request.uri))?;
        Ok(vec![ResourceContents::text(request.uri, "text/plain", text)])
    }

    async fn shorten(self, _: JobContext, arguments: PromptArguments) -> Result<PromptResult, Failure> {
        let Named { id } = arguments.parse()?;
        let text = self.all().get(&id).cloned().ok_or_else(|| Failure::invalid("there is no such note"))?;
        let messages = [
            Content::text("Shorten this note to one sentence."),
            Content::resource(ResourceContents::text(uri(id), "text/plain", text)),
        ];
        Ok(PromptResult::messages(messages.map(PromptMessage::user).into()))
    }
}

fn uri(id: u32) -> String {
    format!("notes://by-id/{id}")
}

pub(crate) fn start(address: SocketAddr) -> Result<Server, Box<dyn Error>> {
    let notes = Notes::default();
    let registry = Registry::new()
        .tool(Tool::queued("write", "Writes a note.", with(&notes, Notes::write)))?
        .resource(ResourceSpec::new(INDEX, "All notes"), with(&notes, Notes::index))?
        .template(TemplateSpec::new("notes://by-id/{id}", "A note"), with(&notes, Notes::read))?
        .prompt(PromptSpec::of::<Named>("shorten", "Shortens a note."), with(&notes, Notes::shorten))?;
    Ok(Server::listen(address, ServerConfig::of(registry))?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_string());
    let server = start(address.parse()?)?;
    println!("listening on {}", server.addresses()[0]);
    server.join();
    Ok(())
}
