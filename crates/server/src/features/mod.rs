//! What a server offers beside tools: resources, prompts, completion.

mod completion;
mod failure;
mod offers;
mod prompt;
mod resource;
mod template;
mod texts;

pub use completion::{Complete, CompleteFuture, Completion, CompletionRequest};
pub use failure::Failure;
pub use prompt::{
    GetPrompt, PromptArgument, PromptArguments, PromptFuture, PromptMessage, PromptResult, PromptSpec, Role,
};
pub use resource::{ReadFuture, ReadResource, ResourceRequest, ResourceResult, ResourceSpec, TemplateSpec};

pub(crate) use offers::Offers;
