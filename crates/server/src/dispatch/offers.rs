//! Resources, prompts and completion: all of it is done by workers.

use std::collections::BTreeMap;

use erlmcp_protocol::code;
use erlmcp_protocol::server::Message;
use serde::Deserialize;

use super::Dispatcher;
use super::mcp::{Handled, Request, id};
use crate::answer::RpcError;
use crate::features::{CompletionRequest, Failure, PromptArguments};
use crate::metrics::counters::Method;
use crate::queue::Work;

/// What `ref` of a completion names.
#[derive(Deserialize)]
#[serde(tag = "type")]
enum Reference {
    #[serde(rename = "ref/prompt")]
    Prompt { name: String },
    #[serde(rename = "ref/resource")]
    Resource { uri: String },
}

#[derive(Deserialize)]
struct Argument {
    name: String,
    value: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Context {
    arguments: BTreeMap<String, String>,
}

impl Dispatcher {
    pub(super) fn read_resource(&mut self, request: Request<'_, '_>) -> Handled {
        let message = request.message;
        if !self.shared.registry.offers.has_resources() {
            return self.no_such_method(message);
        }
        let Some(uri) = message.params.uri else {
            return self.failed(message, Failure::invalid("the uri is missing or not a string"));
        };
        let uri = uri.decode();
        match self.shared.registry.offers.reader(&uri) {
            Some((reader, wanted)) => self.enqueue(Work::Read(reader, wanted), None, Method::ResourcesRead, request),
            None => self.failed(message, Failure::no_resource(&uri)),
        }
    }

    pub(super) fn get_prompt(&mut self, request: Request<'_, '_>) -> Handled {
        let message = request.message;
        if !self.shared.registry.offers.has_prompts() {
            return self.no_such_method(message);
        }
        let Some(name) = message.params.name else {
            return self.failed(message, Failure::invalid("the name of the prompt is missing or not a string"));
        };
        let Some(prompt) = self.shared.registry.offers.prompt(&name.decode()) else {
            return self.failed(message, Failure::invalid("there is no prompt of that name"));
        };
        let Ok(arguments) = serde_json::from_str::<BTreeMap<String, String>>(message.params.arguments.unwrap_or("{}"))
        else {
            return self.failed(message, Failure::invalid("arguments is not an object of strings"));
        };
        let mut required = prompt.spec.arguments.iter().filter(|argument| argument.required);
        if let Some(missing) = required.find(|argument| !arguments.contains_key(&argument.name)) {
            let text = format!("the argument {:?} is missing", missing.name);
            return self.failed(message, Failure::invalid(text));
        }
        let work = Work::Prompt(prompt.source.clone(), PromptArguments::new(arguments));
        self.enqueue(work, None, Method::PromptsGet, request)
    }

    pub(super) fn complete(&mut self, request: Request<'_, '_>) -> Handled {
        let message = request.message;
        let offers = &self.shared.registry.offers;
        if !offers.completes() {
            return self.no_such_method(message);
        }
        let params = &message.params;
        let reference = params.reference.and_then(|text| serde_json::from_str(text).ok());
        let argument = params.argument.and_then(|text| serde_json::from_str::<Argument>(text).ok());
        let (Some(reference), Some(argument)) = (reference, argument) else {
            return self.failed(message, Failure::invalid("ref or argument is missing or not as the protocol has it"));
        };
        let Ok(context) = serde_json::from_str::<Context>(params.context.unwrap_or("{}")) else {
            return self.failed(message, Failure::invalid("context is not as the protocol has it"));
        };
        let completer = match &reference {
            Reference::Prompt { name } => offers.prompt_completer(name, &argument.name),
            Reference::Resource { uri } => offers.template_completer(uri, &argument.name),
        };
        match completer {
            None => self.failed(message, Failure::invalid("ref and argument name nothing that this server has")),
            Some(None) => {
                self.body.clear();
                let fields = b"\"completion\":{\"values\":[],\"total\":0,\"hasMore\":false}";
                self.answers().clone().result(&mut self.body, id(message), |out| out.extend_from_slice(fields));
                Handled::ok()
            }
            Some(Some(completer)) => {
                let Argument { name: argument, value } = argument;
                let wanted = CompletionRequest { argument, value, known: context.arguments };
                self.enqueue(Work::Complete(completer, wanted), None, Method::Complete, request)
            }
        }
    }

    pub(super) fn no_such_method(&mut self, message: &Message<'_>) -> Handled {
        self.rpc_error(message, 404, RpcError::new(code::METHOD_NOT_FOUND, "this server has no such method"))
    }

    fn failed(&mut self, message: &Message<'_>, failure: Failure) -> Handled {
        let error = RpcError::failed(failure, self.answers().is_plain());
        self.rpc_error(message, 200, error)
    }
}
