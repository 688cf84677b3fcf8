//! Answers for a pipe: tables for people, JSON and YAML for programs. Nothing is decided here.

mod authz;
mod check;
pub mod ci;
mod explain;
mod json;
mod legacy_tls_check;
mod logs;
mod resolve;
pub mod table;
mod tls_check;
mod why;

use std::io::{self, Write};

use serde::Serialize;

use table::Style;

use crate::answer::common::API_VERSION;
use crate::text::visible_json;

/// `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// The same with more columns.
    Wide,
    /// One JSON document.
    Json,
    /// The same as YAML.
    Yaml,
    /// One JSON document a line, for lists.
    Ndjson,
    /// Names only.
    Name,
}

/// An answer that can be written in every format.
pub trait Report: Serialize {
    /// Writes the table; `wide` with more columns.
    ///
    /// # Errors
    ///
    /// Only what the writer says.
    fn table(&self, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()>;

    /// The items of a list as JSON documents, where it is one.
    fn items(&self) -> Vec<serde_json::Value> {
        serde_json::to_value(self).into_iter().collect()
    }

    /// The names of what the answer lists.
    fn names(&self) -> Vec<String>;
}

/// Writes an answer.
///
/// # Errors
///
/// Only what the writer says.
pub fn write(answer: &dyn ErasedReport, format: Format, style: Style, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Table => answer.table(out, style, false),
        Format::Wide => answer.table(out, Style { columns: None, ..style }, true),
        Format::Json => answer.json(out),
        Format::Yaml => {
            let value = answer.value()?;
            let yaml = serde_saphyr::to_string(&value).map_err(io::Error::other)?;
            // Such characters can be written out in JSON only, which is YAML too.
            if yaml.lines().any(|line| crate::text::visible(line) != line) {
                return writeln!(out, "{}", visible_json(&serde_json::to_string_pretty(&value)?));
            }
            out.write_all(yaml.as_bytes())
        }
        Format::Ndjson => {
            answer.items().iter().try_for_each(|item| writeln!(out, "{}", visible_json(&item.to_string())))
        }
        Format::Name => {
            answer.names().iter().try_for_each(|name| writeln!(out, "{}", crate::text::visible(name)))
        }
    }
}

/// The items of a list as documents of their own, each with the head that every document has.
fn documents(kind: &str, items: &[impl Serialize]) -> Vec<serde_json::Value> {
    let head = [("apiVersion".to_owned(), API_VERSION.into()), ("kind".to_owned(), kind.into())];
    let document = |item| match serde_json::to_value(item) {
        Ok(serde_json::Value::Object(fields)) => {
            Some(serde_json::Value::Object(head.iter().cloned().chain(fields).collect()))
        }
        Ok(_) | Err(_) => None,
    };
    items.iter().filter_map(document).collect()
}

/// [`Report`] behind a pointer.
pub trait ErasedReport {
    /// As JSON.
    fn value(&self) -> io::Result<serde_json::Value>;
    /// Writes it as JSON.
    fn json(&self, out: &mut dyn Write) -> io::Result<()>;
    /// [`Report::table`].
    fn table(&self, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()>;
    /// [`Report::items`].
    fn items(&self) -> Vec<serde_json::Value>;
    /// [`Report::names`].
    fn names(&self) -> Vec<String>;
}

impl<T: Report> ErasedReport for T {
    fn value(&self) -> io::Result<serde_json::Value> {
        Ok(serde_json::to_value(self)?)
    }
    fn json(&self, out: &mut dyn Write) -> io::Result<()> {
        json::write_pretty(self, out)
    }
    fn table(&self, out: &mut dyn Write, style: Style, wide: bool) -> io::Result<()> {
        Report::table(self, out, style, wide)
    }
    fn items(&self) -> Vec<serde_json::Value> {
        Report::items(self)
    }
    fn names(&self) -> Vec<String> {
        Report::names(self)
    }
}
