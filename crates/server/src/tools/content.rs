//! What results and prompts are made of.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use erlmcp_protocol::era::Version;
use serde::Serialize;

/// One piece of a result, or what a prompt's message holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Content<'a> {
    /// Plain text.
    Text {
        /// The text.
        text: Cow<'a, str>,
    },
    /// A picture.
    Image {
        /// Its bytes in base64.
        data: Cow<'a, str>,
        /// "image/png".
        mime_type: Cow<'a, str>,
    },
    /// Sound.
    Audio {
        /// Its bytes in base64.
        data: Cow<'a, str>,
        /// "audio/wav".
        mime_type: Cow<'a, str>,
    },
    /// A resource, with what is in it.
    Resource {
        /// What is in it.
        resource: Box<ResourceContents<'a>>,
    },
    /// A resource that the client may read.
    ResourceLink(Box<ResourceLink<'a>>),
}

/// A resource that a client may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceLink<'a> {
    /// Where it is.
    pub uri: Cow<'a, str>,
    /// Its name.
    pub name: Cow<'a, str>,
    /// For the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Cow<'a, str>>,
    /// What kind of data it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<Cow<'a, str>>,
}

impl<'a> Content<'a> {
    /// Plain text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text { text: text.into() }
    }

    /// A picture.
    pub fn image(bytes: impl AsRef<[u8]>, mime_type: impl Into<Cow<'a, str>>) -> Self {
        Self::Image { data: STANDARD.encode(bytes).into(), mime_type: mime_type.into() }
    }

    /// Sound.
    pub fn audio(bytes: impl AsRef<[u8]>, mime_type: impl Into<Cow<'a, str>>) -> Self {
        Self::Audio { data: STANDARD.encode(bytes).into(), mime_type: mime_type.into() }
    }

    /// A resource, with what is in it.
    pub fn resource(resource: ResourceContents<'a>) -> Self {
        Self::Resource { resource: Box::new(resource) }
    }

    /// A resource that the client may read.
    pub fn link(uri: impl Into<Cow<'a, str>>, name: impl Into<Cow<'a, str>>) -> Self {
        let (uri, name) = (uri.into(), name.into());
        Self::ResourceLink(Box::new(ResourceLink { uri, name, description: None, mime_type: None }))
    }

    /// Makes it what a session of that version knows: 2025-03-26 has no links.
    pub(crate) fn fit(&mut self, version: Version) {
        if version == Version::V20250326
            && let Self::ResourceLink(link) = self
        {
            *self = Self::text(format!("{}: {}", link.name, link.uri));
        }
    }
}

/// What is in a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceContents<'a> {
    /// Where it is.
    pub uri: Cow<'a, str>,
    /// What kind of data it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<Cow<'a, str>>,
    /// The data.
    #[serde(flatten)]
    pub data: ResourceData<'a>,
}

/// The data of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceData<'a> {
    /// Text as it is.
    Text(Cow<'a, str>),
    /// Bytes in base64.
    Blob(Cow<'a, str>),
}

impl<'a> ResourceContents<'a> {
    /// Text.
    pub fn text(
        uri: impl Into<Cow<'a, str>>,
        mime_type: impl Into<Cow<'a, str>>,
        text: impl Into<Cow<'a, str>>,
    ) -> Self {
        Self { uri: uri.into(), mime_type: Some(mime_type.into()), data: ResourceData::Text(text.into()) }
    }

    /// Bytes.
    pub fn bytes(uri: impl Into<Cow<'a, str>>, mime_type: impl Into<Cow<'a, str>>, bytes: impl AsRef<[u8]>) -> Self {
        let data = ResourceData::Blob(STANDARD.encode(bytes).into());
        Self { uri: uri.into(), mime_type: Some(mime_type.into()), data }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_is_written_as_the_schema_has_it() {
        let written = |content: Content<'_>| serde_json::to_value(content).expect("it is JSON");
        assert_eq!(written(Content::text("a")), json!({"type": "text", "text": "a"}));
        let image = json!({"type": "image", "data": "AP8=", "mimeType": "image/png"});
        assert_eq!(written(Content::image([0, 255], "image/png")), image);
        let audio = json!({"type": "audio", "data": "AA==", "mimeType": "audio/wav"});
        assert_eq!(written(Content::audio([0], "audio/wav")), audio);
        let text = Content::resource(ResourceContents::text("a://b", "text/plain", "t"));
        let resource = json!({"uri": "a://b", "mimeType": "text/plain", "text": "t"});
        assert_eq!(written(text), json!({"type": "resource", "resource": resource}));
        let blob = Content::resource(ResourceContents::bytes("a://b", "x/y", [0]));
        let resource = json!({"uri": "a://b", "mimeType": "x/y", "blob": "AA=="});
        assert_eq!(written(blob), json!({"type": "resource", "resource": resource}));
        let link = json!({"type": "resource_link", "uri": "a://b", "name": "b"});
        assert_eq!(written(Content::link("a://b", "b")), link);
    }
}
