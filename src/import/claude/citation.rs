//! Sources that a text, an artifact or a tool's result names: each once a message.

use std::collections::HashSet;

use crate::conversation::{Conversation, Part, PartKind};
use crate::import::json::tolerant::{List, Text, tolerant};

tolerant! {
    /// A citation of a text, or one of an artifact (`md_citations`).
    struct CitationSource at "message.content.citations" {
        "url" => url: Text<'de>,
        "title" => title: Text<'de>,
        "details" => details: Page<'de>,
        "metadata" => metadata: Page<'de>,
        "sources" => sources: List<Page<'de>>,
    }
    ignore { "uuid" "start_index" "end_index" "origin_tool_name" "type" "cited_text" "citation_index" }
}

tolerant! {
    /// A page that is cited.
    struct Page at "message.content.citations.details" {
        "url" => url: Text<'de>,
        "title" => title: Text<'de>,
        "preview_title" => preview_title: Text<'de>,
    }
    ignore {
        "type" "uuid" "source" "icon_url" "subtitles" "resource_type" "content_body" "file_uuid" "doc_uuid" "site_name"
        "site_domain" "favicon_url"
    }
}

/// Adds citations to the parts of one message.
#[derive(Default)]
pub(super) struct Cited(HashSet<String>);

impl Cited {
    /// Begins with the next message.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds one, unless the message has it already. The text it belongs to is left as it is.
    pub(super) fn add(
        &mut self,
        conversation: &mut Conversation,
        title: Option<&str>,
        url: Option<&str>,
        parts: &mut Vec<Part>,
    ) {
        let Some(text) = title.or(url) else { return };
        if self.0.insert(format!("{}\n{text}", url.unwrap_or_default())) {
            let text = conversation.push_text(text);
            parts.push(Part { kind: PartKind::Citation, text, url: url.map(str::to_owned), ..Part::default() });
        }
    }

    /// Adds the pages of a list of citations.
    pub(super) fn add_all(
        &mut self,
        conversation: &mut Conversation,
        citations: &List<CitationSource<'_>>,
        parts: &mut Vec<Part>,
    ) {
        for citation in &citations.0 {
            let title = citation.title.get().or(citation.details.title.get()).or(citation.metadata.preview_title.get());
            let url = citation.url.get().or(citation.details.url.get()).or(citation.metadata.url.get());
            self.add(conversation, title, url, parts);
            for page in &citation.sources.0 {
                self.add(conversation, page.title.get(), page.url.get(), parts);
            }
        }
    }
}
