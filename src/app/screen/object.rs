//! An object as it was read: its YAML, with the field that counts in sight.

use super::{Behaviour, Context, Title, View};
use crate::answer::common::ObjectRef;
use crate::app::command::Motion;
use crate::app::page::{Line, Page, Tone, paragraphs, span};
use crate::app::question::Question;
use crate::app::yaml;
use crate::model::Object;

/// The screen.
#[derive(Debug)]
pub struct ObjectPage {
    object: ObjectRef,
    field: Option<String>,
    origin: Option<String>,
    shown: bool,
    page: Page,
}

impl ObjectPage {
    /// The page of an object, at a field.
    pub fn new(object: ObjectRef, field: Option<String>) -> Self {
        Self { object, field, origin: None, shown: false, page: Page::default() }
    }

    /// Its lines.
    pub fn page(&self) -> &Page {
        &self.page
    }

    fn find<'a>(&self, context: &Context<'a>) -> Option<&'a Object> {
        let namespace = self.object.namespace.as_deref().unwrap_or_default();
        let mut objects = context.read?.mesh.snapshot.objects();
        let same = |object: &Object| {
            *object.id.name == *self.object.name
                && *object.id.namespace == *namespace
                && object.id.kind.name() == self.object.kind
        };
        objects.find(|object| same(object)).map(|object| &**object)
    }

    fn lines(&self, object: &Object, width: usize) -> Vec<Line> {
        let mut lines: Vec<Line> = object
            .notes
            .iter()
            .flat_map(|note| paragraphs(Tone::Warning, &format!("# {} {}", note.field, note.problem), width))
            .collect();
        let Some(json) = &object.json else {
            let text = format!("the text of a {} is not kept; what was read of it:", self.object.kind);
            lines.extend(paragraphs(Tone::Dim, &text, width));
            let labels = object.meta.labels.iter().map(|(key, value)| format!("  {key}: {value}"));
            lines.push(Line::new(vec![span(Tone::Strong, "labels:")]));
            lines.extend(labels.map(|text| Line::new(vec![span(Tone::Plain, text)])));
            return lines;
        };
        let yaml = yaml::lines(json);
        let counts = self.field.as_deref().and_then(|field| nearest_path(&yaml, field));
        lines.extend(yaml.into_iter().map(|line| {
            let marked = counts.as_ref() == Some(&line.path);
            let spans = vec![span(Tone::Strong, line.head), span(Tone::Plain, line.value)];
            Line { marked, ..Line::new(spans) }
        }));
        lines
    }
}

/// The path of the field, or of the deepest one above it that is there: a field may count by its absence.
fn nearest_path(lines: &[yaml::YamlLine], field: &str) -> Option<String> {
    let mut path = field;
    loop {
        if lines.iter().any(|line| line.path == path) {
            return Some(path.to_owned());
        }
        path = path.rsplit_once(['.', '['])?.0;
    }
}

impl Behaviour for ObjectPage {
    fn questions(&self) -> Vec<Question> {
        Vec::new()
    }

    fn refresh(&mut self, context: &Context<'_>) {
        let width = context.extent.columns().saturating_sub(2);
        let found = self.find(context);
        let lines = if let Some(object) = found {
            self.lines(object, width)
        } else {
            let text = format!("{} {} was not read", self.object.kind, self.object.path());
            paragraphs(Tone::Plain, &text, width)
        };
        self.origin = found.map(|object| format!("{}:{}", object.origin.file, object.origin.line));
        self.page.set(lines, context.room(View::Object));
        if found.is_some() && !self.shown {
            self.shown = true;
            self.page.show_mark();
        }
    }

    fn move_by(&mut self, motion: Motion) {
        self.page.move_by(motion);
    }

    fn title(&self, _context: &Context<'_>) -> Title {
        let counts = self.field.iter().map(|field| (Tone::Dim, field.clone())).collect();
        Title {
            name: format!("{} {}", self.object.kind, self.object.path()),
            counts,
            right: self.origin.clone().map(|origin| (Tone::Plain, origin)),
        }
    }

    fn command(&self) -> Vec<String> {
        Vec::new()
    }

    fn name(&self, _context: &Context<'_>) -> Option<(String, Option<String>)> {
        Some((self.object.name.clone(), self.object.namespace.clone()))
    }
}
