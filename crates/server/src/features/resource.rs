//! Resources: what clients can read.

use std::collections::BTreeMap;
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::texts;
use crate::tools::{Ask, JobContext, ResourceContents};

/// What a resource says about itself in `resources/list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSpec {
    /// Where it is.
    pub uri: String,
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What kind of data it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

impl ResourceSpec {
    /// A resource of which no more is said.
    pub fn new(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self { uri: uri.into(), name: name.into(), title: None, description: None, mime_type: None }
    }

    /// The same, described.
    pub fn described(self, description: impl Into<String>) -> Self {
        Self { description: Some(description.into()), ..self }
    }

    /// The same with a kind of data.
    pub fn of_type(self, mime_type: impl Into<String>) -> Self {
        Self { mime_type: Some(mime_type.into()), ..self }
    }
}

/// What a family of resources says about itself in `resources/templates/list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateSpec {
    /// Their uris: text with names in braces, such as `app://users/{id}`. A name stands for anything without a slash.
    pub uri_template: String,
    /// Its name.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// For the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What kind of data they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
}

impl TemplateSpec {
    /// A family of which no more is said.
    pub fn new(uri_template: impl Into<String>, name: impl Into<String>) -> Self {
        let uri_template = uri_template.into();
        Self { uri_template, name: name.into(), title: None, description: None, mime_type: None }
    }

    /// The same, described.
    pub fn described(self, description: impl Into<String>) -> Self {
        Self { description: Some(description.into()), ..self }
    }

    /// The same with a kind of data.
    pub fn of_type(self, mime_type: impl Into<String>) -> Self {
        Self { mime_type: Some(mime_type.into()), ..self }
    }
}

/// What is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRequest {
    /// The uri that was asked for.
    pub uri: String,
    /// What stands where the template has names; empty for a plain resource.
    pub variables: BTreeMap<String, String>,
}

impl ResourceRequest {
    /// Reads the variables into a struct of texts, numbers, bools, enums of words, or options of such.
    ///
    /// # Errors
    /// That there is no such resource, where one is missing or does not fit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        texts::read(&self.variables).map_err(|_| Failure::no_resource(&self.uri))
    }
}

/// A resource, read.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceResult {
    pub(crate) contents: Vec<ResourceContents<'static>>,
    ask: Option<Ask>,
}

impl ResourceResult {
    /// What is in it. An empty list counts as "there is no such resource".
    pub fn contents(contents: Vec<ResourceContents<'static>>) -> Self {
        Self { contents, ask: None }
    }

    /// More must be known first; in sessions of the older era the client is asked by a request of its own.
    pub fn ask(ask: Ask) -> Self {
        Self { contents: Vec::new(), ask: Some(ask) }
    }

    pub(crate) fn asks(&self) -> Option<&Ask> {
        self.ask.as_ref()
    }
}

impl From<Vec<ResourceContents<'static>>> for ResourceResult {
    fn from(contents: Vec<ResourceContents<'static>>) -> Self {
        Self::contents(contents)
    }
}

/// What reading comes to.
pub type ReadFuture = Pin<Box<dyn Future<Output = Result<ResourceResult, Failure>> + Send>>;

/// Reads resources. It waits for a worker, as a queued tool does. Async functions of this shape are such readers; they
/// may give the list of contents itself.
pub trait ReadResource: Send + Sync + 'static {
    /// Begins to read.
    fn read(&self, context: JobContext, request: ResourceRequest) -> ReadFuture;
}

impl<F, Fut, R> ReadResource for F
where
    F: Fn(JobContext, ResourceRequest) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, Failure>> + Send + 'static,
    R: Into<ResourceResult>,
{
    fn read(&self, context: JobContext, request: ResourceRequest) -> ReadFuture {
        let reading = self(context, request);
        Box::pin(async move { reading.await.map(Into::into) })
    }
}
