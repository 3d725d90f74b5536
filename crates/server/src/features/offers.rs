//! What is registered beside the tools.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::completion::Complete;
use super::prompt::{GetPrompt, PromptSpec};
use super::resource::{ReadResource, ResourceRequest, ResourceSpec, TemplateSpec};
use super::template::Template;
use crate::tools::{Registry, RegistryError};

#[derive(Clone)]
struct Family {
    spec: TemplateSpec,
    template: Template,
    reader: Arc<dyn ReadResource>,
    completer: Option<Arc<dyn Complete>>,
}

#[derive(Clone)]
pub(crate) struct Prompt {
    pub(crate) spec: PromptSpec,
    pub(crate) source: Arc<dyn GetPrompt>,
    completer: Option<Arc<dyn Complete>>,
}

/// Resources, templates, prompts and completers; each bounded by `Limits::tools_max` when the engine starts.
#[derive(Clone, Default)]
pub(crate) struct Offers {
    resources: Vec<ResourceSpec>,
    readers: BTreeMap<String, Arc<dyn ReadResource>>,
    families: Vec<Family>,
    prompts: Vec<Prompt>,
    pub(crate) logs: bool,
}

impl fmt::Debug for Offers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prompts: Vec<_> = self.prompts.iter().map(|prompt| &prompt.spec.name).collect();
        f.debug_struct("Offers").field("resources", &self.resources).field("prompts", &prompts).finish_non_exhaustive()
    }
}

impl Offers {
    pub(crate) fn resources(&self) -> &[ResourceSpec] {
        &self.resources
    }

    pub(crate) fn templates(&self) -> impl Iterator<Item = &TemplateSpec> {
        self.families.iter().map(|family| &family.spec)
    }

    pub(crate) fn prompts(&self) -> impl Iterator<Item = &PromptSpec> {
        self.prompts.iter().map(|prompt| &prompt.spec)
    }

    pub(crate) fn has_resources(&self) -> bool {
        !self.resources.is_empty() || !self.families.is_empty()
    }

    pub(crate) fn has_prompts(&self) -> bool {
        !self.prompts.is_empty()
    }

    pub(crate) fn completes(&self) -> bool {
        self.families.iter().any(|family| family.completer.is_some())
            || self.prompts.iter().any(|prompt| prompt.completer.is_some())
    }

    /// The largest of the lists.
    pub(crate) fn longest(&self) -> usize {
        self.resources.len().max(self.families.len()).max(self.prompts.len())
    }

    /// Who reads `uri`, and what its template makes of it.
    pub(crate) fn reader(&self, uri: &str) -> Option<(Arc<dyn ReadResource>, ResourceRequest)> {
        let request = |variables| ResourceRequest { uri: uri.to_string(), variables };
        if let Some(reader) = self.readers.get(uri) {
            return Some((Arc::clone(reader), request(BTreeMap::new())));
        }
        let found = |family: &Family| Some((Arc::clone(&family.reader), request(family.template.variables(uri)?)));
        self.families.iter().find_map(found)
    }

    pub(crate) fn prompt(&self, name: &str) -> Option<&Prompt> {
        self.prompts.iter().find(|prompt| prompt.spec.name == name)
    }

    /// Who completes `argument` of a prompt. The outer none: there is no such prompt or argument.
    pub(crate) fn prompt_completer(&self, name: &str, argument: &str) -> Option<Option<Arc<dyn Complete>>> {
        let prompt = self.prompt(name)?;
        let has = prompt.spec.arguments.iter().any(|own| own.name == argument);
        has.then(|| prompt.completer.clone())
    }

    /// Who completes `argument` of a template. The outer none: there is no such template or argument.
    pub(crate) fn template_completer(&self, uri: &str, argument: &str) -> Option<Option<Arc<dyn Complete>>> {
        let family = self.families.iter().find(|family| family.spec.uri_template == uri)?;
        family.template.has(argument).then(|| family.completer.clone())
    }
}

impl Registry {
    /// Adds a resource.
    ///
    /// # Errors
    /// Where the uri is empty or taken.
    pub fn resource(mut self, spec: ResourceSpec, reader: impl ReadResource) -> Result<Self, RegistryError> {
        let uri = spec.uri.clone();
        if uri.is_empty() || self.offers.readers.contains_key(&uri) {
            return Err(RegistryError::BadUri(uri));
        }
        self.offers.readers.insert(uri, Arc::new(reader));
        self.offers.resources.push(spec);
        Ok(self)
    }

    /// Adds a family of resources. Where several families have a uri, the first one is asked.
    ///
    /// # Errors
    /// Where the template is no good or taken.
    pub fn template(mut self, spec: TemplateSpec, reader: impl ReadResource) -> Result<Self, RegistryError> {
        let taken = self.offers.templates().any(|own| own.uri_template == spec.uri_template);
        let template = Template::parse(&spec.uri_template).filter(|_| !taken);
        let Some(template) = template else { return Err(RegistryError::BadUri(spec.uri_template)) };
        self.offers.families.push(Family { spec, template, reader: Arc::new(reader), completer: None });
        Ok(self)
    }

    /// Adds a prompt.
    ///
    /// # Errors
    /// Where the name is no good or taken.
    pub fn prompt(mut self, spec: PromptSpec, source: impl GetPrompt) -> Result<Self, RegistryError> {
        if !crate::tools::is_name(&spec.name) {
            return Err(RegistryError::BadName(spec.name));
        }
        if self.offers.prompt(&spec.name).is_some() {
            return Err(RegistryError::Taken(spec.name));
        }
        self.offers.prompts.push(Prompt { spec, source: Arc::new(source), completer: None });
        Ok(self)
    }

    /// Gives a prompt (by name) or a family of resources (by template) a completer of its arguments.
    ///
    /// # Errors
    /// Where there is no prompt or template called `of`.
    pub fn completing(mut self, of: &str, completer: impl Complete) -> Result<Self, RegistryError> {
        let completer: Arc<dyn Complete> = Arc::new(completer);
        let prompt = self.offers.prompts.iter_mut().find(|prompt| prompt.spec.name == of);
        let family = self.offers.families.iter_mut().find(|family| family.spec.uri_template == of);
        match (prompt, family) {
            (Some(prompt), _) => prompt.completer = Some(completer),
            (None, Some(family)) => family.completer = Some(completer),
            (None, None) => return Err(RegistryError::NothingToComplete(of.to_string())),
        }
        Ok(self)
    }

    /// Says that tools send log messages to those who ask for them: clients of 2026-07-28 learn it by this alone.
    pub fn logging(mut self) -> Self {
        self.offers.logs = true;
        self
    }
}
