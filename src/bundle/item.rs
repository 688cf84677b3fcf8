//! One item's text to one object, with everything that can be wrong with it.

use std::sync::Arc;

use super::Problem;
use super::batch::Found;
use crate::model::decode::{Head, MeshTexts, ObjectSeed, attach_mesh_config, in_words, refused, unreadable};
use crate::model::interner::Interner;
use crate::model::{Kind, Note, Object, Origin};
use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny};
use serde_json::Value;
use serde_saphyr::Spanned;

/// The text of one item.
#[derive(Debug, Clone, Copy)]
pub(super) enum Text<'a> {
    Yaml(&'a str),
    Json(&'a [u8]),
}

/// Why an item could not be read: where in its text, which field, and the words.
struct Refusal {
    line: u64,
    field: Option<String>,
    text: String,
    /// The item's text with quotes around what was refused as a number, where it may be a text.
    quoted: Option<String>,
}

/// So many texts that look like numbers are put in quotes before their object is given up.
const MOST_QUOTED: usize = 50;

/// Lists that stand in a list are opened this deep.
const DEEPEST: usize = 8;

/// Reads items into the bundle, sharing their strings.
#[derive(Default)]
pub(super) struct ItemReader {
    file: Arc<str>,
    interner: Interner,
    read: usize,
    depth: usize,
    /// Those that read beside it, each with strings of its own.
    helpers: Vec<Self>,
}

/// A list that was not cut into its items before: it stands in another one, or on one line.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Listed<T> {
    /// `None` where there is no such key: then it is no list.
    #[serde(default = "Option::default", deserialize_with = "given")]
    items: Option<Items<T>>,
}

/// The items; null stands for none.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct Items<T>(Option<Vec<T>>);

fn given<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

impl ItemReader {
    pub(super) fn begin(&mut self, file: Arc<str>) {
        self.file = file;
    }

    /// Another one, to read items of the same file; it is to be given back.
    pub(super) fn helper(&mut self) -> Self {
        let helper = self.helpers.pop().unwrap_or_default();
        Self { file: Arc::clone(&self.file), depth: self.depth, read: 0, ..helper }
    }

    /// Counts what another one read.
    pub(super) fn take_back(&mut self, helper: Self) {
        self.read += helper.read;
        self.helpers.push(helper);
    }

    pub(super) fn objects_read(&self) -> usize {
        self.read
    }

    /// Counts a list that was opened: an empty one was read too.
    pub(super) fn list_was_read(&mut self) {
        self.read += 1;
    }

    pub(super) fn problem(&self, line: u64, text: impl Into<String>) -> Problem {
        Problem { origin: Origin { file: Arc::clone(&self.file), line }, text: text.into() }
    }

    /// Reads the item whose text begins at line `first`, with `skipped` lines of comments. `of_list` is the head that
    /// its list gives to items without one. False when the item has no kind and none is given: the caller may know
    /// one later.
    pub(super) fn item(
        &mut self,
        text: Text<'_>,
        first: u64,
        skipped: u64,
        of_list: Option<&Head>,
        found: &mut Found,
    ) -> bool {
        let line = first + skipped;
        let mut head = match text.head() {
            Ok(head) => head,
            Err(refusal) => {
                self.refuse(text, (first, line), of_list, refusal, found);
                return true;
            }
        };
        if head.kind.is_empty()
            && let Some(given) = of_list.filter(|given| !given.kind.is_empty())
        {
            head = given.clone();
        }
        if let Some(items) = head.items()
            && self.opened(text, (first, line), &items, found)
        {
            return true;
        }
        let Some(kind) = head.kind() else {
            if of_list.is_some() {
                return false;
            }
            let missing = if head.kind.is_empty() { "kind" } else { "apiVersion" };
            if !(head.kind.is_empty() && head.api_version.is_empty()) {
                found
                    .problems
                    .push(self.problem(line, format!("is no Kubernetes object: {missing} is missing")));
            }
            return true;
        };
        let origin = Origin { file: Arc::clone(&self.file), line };
        match self.object(text, &kind, &head, &origin) {
            Ok(object) => {
                self.read += 1;
                found.objects.push(object);
            }
            Err(refusal) => self.refuse(text, (first, line), Some(&head), refusal, found),
        }
        true
    }

    /// Reads the items of a list. False when it has none, so that it is an object whose kind ends like a list's.
    fn opened(
        &mut self,
        text: Text<'_>,
        (first, line): (u64, u64),
        of_list: &Head,
        found: &mut Found,
    ) -> bool {
        let (spans, any) = match text {
            Text::Json(text) => {
                let list = serde_json::from_slice::<Listed<IgnoredAny>>(text).ok();
                let Some(items) = list.and_then(|list| list.items) else { return false };
                (Vec::new(), items.0.is_some_and(|items| !items.is_empty()))
            }
            Text::Yaml(text) => {
                let list = super::yaml::with(text, |d| Listed::<Spanned<Value>>::deserialize(d)).ok();
                let Some(items) = list.and_then(|list| list.items) else { return false };
                (items.0.unwrap_or_default(), true)
            }
        };
        self.list_was_read();
        if any && self.depth >= DEEPEST {
            let text = "is a list in a list in a list and so on: it was not opened";
            found.problems.push(self.problem(line, text));
            return true;
        }
        self.depth += 1;
        match text {
            // It is cut into its items as a whole file is, which keeps their lines.
            Text::Json(text) if any => super::json::read_part(text, first, self, found),
            Text::Json(_) | Text::Yaml(_) => {
                for item in spans {
                    let at = first + item.referenced.line().saturating_sub(1);
                    let text = item.value.to_string();
                    self.item(Text::Json(text.as_bytes()), at, 0, Some(of_list), found);
                }
            }
        }
        self.depth -= 1;
        true
    }

    fn object(
        &mut self,
        text: Text<'_>,
        kind: &Kind,
        head: &Head,
        origin: &Origin,
    ) -> Result<Object, Refusal> {
        let (mut mesh_text, mut refused) = (None, None);
        let mut read = text.decode(self.seed(kind, head, origin, (&mut mesh_text, &mut refused)));
        let mut quoted;
        let mut text = text;
        for _ in 0..MOST_QUOTED {
            let Err(Refusal { quoted: Some(better), .. }) = read else { break };
            quoted = better;
            text = Text::Yaml(&quoted);
            read = text.decode(self.seed(kind, head, origin, (&mut mesh_text, &mut refused)));
        }
        let mut object = match read {
            Ok(object) => object,
            // Keeping track of the field costs time, so only a text that is refused is read again with it.
            Err(refusal) => {
                let field = text.refused_field(self.seed(kind, head, origin, (&mut mesh_text, &mut refused)));
                return Err(refusal.in_field(refused.or(field)));
            }
        };
        if let Some(mesh) = mesh_text {
            let parse =
                |text: &str| super::yaml::parse(text).map_err(|error| super::yaml::plain_message(&error));
            attach_mesh_config(&mut object, parse(&mesh.mesh), mesh.networks.as_deref().map(parse));
        }
        Ok(object)
    }

    fn seed<'a>(
        &'a mut self,
        kind: &Kind,
        head: &'a Head,
        origin: &Origin,
        (mesh_text, refused): (&'a mut Option<MeshTexts>, &'a mut Option<Note>),
    ) -> ObjectSeed<'a> {
        let (kind, api_version, origin) = (kind.clone(), head.api_version.as_str(), origin.clone());
        ObjectSeed { kind, api_version, origin, interner: &mut self.interner, mesh_text, refused }
    }

    /// Says what is wrong. If the text still tells which object it is, the object stands there as unreadable, so
    /// that what depends on it is unknown and not wrong.
    fn refuse(
        &self,
        text: Text<'_>,
        (first, line): (u64, u64),
        head: Option<&Head>,
        refusal: Refusal,
        found: &mut Found,
    ) {
        let at = (first + refusal.line.saturating_sub(1)).max(line);
        let scanned = text.scan_head();
        let head = head.filter(|head| !head.kind.is_empty()).unwrap_or(&scanned.head);
        let name = scanned.name.as_deref().filter(|name| !name.is_empty());
        let words = match &refusal.field {
            Some(field) => format!("{field} {}", refusal.text),
            None => refusal.text.clone(),
        };
        let named = name.map(|name| format!("{} {}/{name}: ", head.kind, scanned.namespace));
        found.problems.push(self.problem(at, format!("{}{words}", named.unwrap_or_default())));
        let note = Note { field: refusal.field.unwrap_or_default(), problem: refusal.text, wrong_type: true };
        let origin = Origin { file: Arc::clone(&self.file), line };
        // One whose name cannot be read is there all the same, and may say anything.
        let nameless = format!("(no name, line {line})");
        let object = unreadable(head, &scanned.namespace, name.unwrap_or(&nameless), origin, note);
        if let Some(object) = object.filter(|object| name.is_some() || object.id.kind.decides_pairs()) {
            found.objects.push(object);
        }
    }
}

/// What a text tells of its object without being read as a whole.
pub(super) struct Scanned {
    pub(super) head: Head,
    namespace: String,
    name: Option<String>,
}

impl Text<'_> {
    fn head(self) -> Result<Head, Refusal> {
        match self {
            Self::Json(text) => serde_json::from_slice(text).map_err(|error| Refusal::json(&error)),
            Self::Yaml(text) => {
                let scanned = scan_yaml(text).head;
                if scanned.kind().is_some() {
                    return Ok(scanned);
                }
                super::yaml::with(text, |d| Option::<Head>::deserialize(d).map(Option::unwrap_or_default))
                    .map_err(|error| Refusal::yaml(&error, text))
            }
        }
    }

    fn decode(self, seed: ObjectSeed<'_>) -> Result<Object, Refusal> {
        match self {
            Self::Json(text) => {
                let mut json = serde_json::Deserializer::from_slice(text);
                seed.deserialize(&mut json).map_err(|error| Refusal::json(&error))
            }
            Self::Yaml(text) => {
                super::yaml::with(text, |d| seed.deserialize(d)).map_err(|error| Refusal::yaml(&error, text))
            }
        }
    }

    /// Reads again what was refused, as values of which the types are known, and says which field is the one.
    /// `None` where the text itself is broken.
    fn refused_field(self, seed: ObjectSeed<'_>) -> Option<Note> {
        let value: Value = match self {
            Self::Json(text) => serde_json::from_slice(text).ok()?,
            Self::Yaml(text) => super::yaml::parse(text).ok()?,
        };
        let mut track = serde_path_to_error::Track::new();
        let read = seed.deserialize(serde_path_to_error::Deserializer::new(&value, &mut track));
        read.err().map(|error| refused(&track.path().to_string(), &error.to_string()))
    }

    fn scan_head(self) -> Scanned {
        match self {
            Self::Yaml(text) => scan_yaml(text),
            Self::Json(text) => {
                let value: Value = serde_json::from_slice(text).unwrap_or_default();
                let text_of = |path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
                let head = Head {
                    api_version: text_of("/apiVersion").unwrap_or_default(),
                    kind: text_of("/kind").unwrap_or_default(),
                };
                let namespace = text_of("/metadata/namespace").unwrap_or_else(|| "default".to_owned());
                Scanned { head, namespace, name: text_of("/metadata/name") }
            }
        }
    }
}

/// Looks for the lines that name an object, without reading YAML: it works on a text that is cut off or broken.
pub(super) fn scan_yaml(text: &str) -> Scanned {
    let mut found = Scanned { head: Head::default(), namespace: "default".to_owned(), name: None };
    let mut in_metadata = false;
    let mut depth = None;
    for line in text.lines() {
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        let Some((key, value)) = bare.split_once(':') else { continue };
        let value = value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        if indent == 0 {
            in_metadata = key == "metadata";
            depth = None;
            match key {
                // What a slip of the hand puts around it leaves it the kind that it may be.
                "kind" => value
                    .trim_matches(|letter: char| !letter.is_ascii_alphanumeric())
                    .clone_into(&mut found.head.kind),
                "apiVersion" => value.clone_into(&mut found.head.api_version),
                "metadata" if value.starts_with('{') => found.name_in_flow(value),
                _ => {}
            }
        } else if in_metadata && *depth.get_or_insert(indent) == indent && !value.is_empty() {
            match key {
                "name" => found.name = Some(value.to_owned()),
                "namespace" => value.clone_into(&mut found.namespace),
                _ => {}
            }
        }
    }
    found
}

impl Scanned {
    /// The names of metadata that is written on one line, `{name: a, namespace: b}`.
    fn name_in_flow(&mut self, text: &str) {
        let value = super::yaml::parse(text).unwrap_or_default();
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        self.name = text("name");
        if let Some(namespace) = text("namespace") {
            self.namespace = namespace;
        }
    }
}

impl Refusal {
    fn json(error: &serde_json::Error) -> Self {
        Self { line: error.line() as u64, field: None, text: in_words(&error.to_string()), quoted: None }
    }

    fn yaml(error: &serde_saphyr::Error, text: &str) -> Self {
        let line = error.location().map_or(1, |location| location.line());
        let quoted = super::yaml::with_quotes(text, error);
        Self { line, field: None, text: super::yaml::plain_message(error), quoted }
    }

    /// The same with the field that it is about.
    fn in_field(self, note: Option<Note>) -> Self {
        match note {
            Some(note) => {
                let field = Some(note.field).filter(|field| !field.is_empty());
                Self { field, text: note.problem, ..self }
            }
            None => self,
        }
    }
}
