//! The signs by which one line tells its cause: rows of tables, the first that fits decides.
//!
//! A row is *certain* only where no other cause leaves that line. What takes more than one line (the other side, the time,
//! the configuration) is not decided here.

use super::label::Label;
use crate::diagnose::Confidence;
use crate::logs::{Direction, Group, Reporter, UpstreamCluster};

mod app;
mod caller;
mod limits;
mod reach;
mod tls;

/// Who wrote the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// Whoever it was.
    Any,
    /// The client's proxy, or a gateway: the line has an outbound cluster, or one past all services.
    Client,
    /// The server's proxy.
    Server,
    /// Not known: the line has no cluster.
    NoCluster,
}

/// One sign.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sign {
    pub(super) writer: Writer,
    /// A response flag that must be there; `-` for none at all; empty where flags do not count.
    pub(super) flag: &'static str,
    /// The response code, where it counts.
    pub(super) code: Option<u16>,
    /// What must stand in details or reason, with `_` for spaces, as newer proxies write them.
    pub(super) texts: &'static [&'static str],
    pub(super) label: Label,
    pub(super) confidence: Confidence,
    /// What else leaves this line.
    pub(super) alternatives: &'static [&'static str],
    /// What the line says, for the evidence.
    pub(super) says: &'static str,
}

/// A sign that nothing else leaves, for the tables to vary.
const fn sign(writer: Writer, flag: &'static str, label: Label, says: &'static str) -> Sign {
    Sign {
        writer,
        flag,
        code: None,
        texts: &[],
        label,
        confidence: Confidence::Certain,
        alternatives: &[],
        says,
    }
}

impl Sign {
    const fn text(self, texts: &'static [&'static str]) -> Self {
        Self { texts, ..self }
    }

    const fn code(self, code: u16) -> Self {
        Self { code: Some(code), ..self }
    }

    const fn likely(self, alternatives: &'static [&'static str]) -> Self {
        Self { confidence: Confidence::Likely, alternatives, ..self }
    }

    const fn possible(self, alternatives: &'static [&'static str]) -> Self {
        Self { confidence: Confidence::Possible, alternatives, ..self }
    }

    fn fits(&self, group: &Group, text: &str) -> bool {
        let flag = match self.flag {
            "" => true,
            "-" => group.flags.is_empty(),
            flag => group.flags.has(flag),
        };
        flag && (self.writer == Writer::Any || self.writer == writer_of(group))
            && self.code.is_none_or(|code| group.response_code == Some(code))
            && self.texts.iter().all(|part| text.contains(part))
    }
}

fn writer_of(group: &Group) -> Writer {
    match (group.reporter, group.upstream_cluster.is_some()) {
        (Reporter::Client, _) => Writer::Client,
        (Reporter::Server, true) => Writer::Server,
        (Reporter::Server | Reporter::Unknown, _) => Writer::NoCluster,
    }
}

/// Details and reasons of a group in one text, with `_` for spaces: older proxies wrote spaces.
pub(super) fn text_of(group: &Group) -> String {
    let parts = [&group.response_code_details, &group.upstream_transport_failure_reason];
    let parts: Vec<_> = parts.into_iter().flatten().map(String::as_str).collect();
    parts.join(" ").replace(' ', "_")
}

/// The sign that a group shows.
pub(super) fn of(group: &Group) -> Option<&'static Sign> {
    let text = text_of(group);
    let black_hole =
        group.upstream_cluster.as_deref().map(|name| UpstreamCluster::parse(name.as_bytes()).direction);
    if black_hole == Some(Direction::BlackHole) {
        return Some(&reach::BLACK_HOLE);
    }
    let tables = [tls::SIGNS, reach::SIGNS, limits::SIGNS, caller::SIGNS, app::SIGNS];
    tables.into_iter().flatten().find(|sign| sign.fits(group, &text))
}
