//! Where a line leads when it is opened.

use crate::answer::causes::NamedCause;
use crate::answer::common::ObjectRef;
use crate::answer::log_lines::LogRow;
use crate::answer::logs::Cause;
use crate::correlate::Denial;

/// A client and what it calls, as a why page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairKey {
    /// The client, `NAMESPACE/NAME`; any where there is none.
    pub client: Option<String>,
    /// The host, or the service as the user named it.
    pub service: String,
    /// The service port; any where there is none.
    pub port: Option<u16>,
    /// The subset.
    pub subset: Option<String>,
}

/// A cause, as it is found again among those of a later answer: its counts and how sure it is may be others then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CauseKey {
    /// Its label.
    pub cause: String,
    confidence: String,
    client: String,
    host: Option<String>,
    port: Option<u16>,
    /// Its first line, by its place.
    sample: Option<(String, u64)>,
}

impl CauseKey {
    /// The key of a cause.
    pub fn of(cause: &Cause) -> Self {
        let first = cause.evidence.iter().flat_map(|lines| &lines.samples).next();
        Self {
            cause: cause.cause.clone(),
            confidence: cause.confidence.clone(),
            client: cause.client.path(),
            host: cause.host.clone(),
            port: cause.port,
            sample: first.map(|sample| (sample.file.to_string(), sample.line)),
        }
    }

    /// The cause among others; where it is surer or less sure now, that one.
    pub fn find<'a>(&self, all: &'a [NamedCause]) -> Option<&'a NamedCause> {
        let alike = || all.iter().filter(|one| one.cause.cause == self.cause);
        let found = alike().find(|one| Self::of(&one.cause) == *self);
        found.or_else(|| {
            alike().find(|one| {
                let key = Self::of(&one.cause);
                *self == Self { confidence: self.confidence.clone(), ..key }
            })
        })
    }
}

/// What a page of a cause is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A line, and its cause where it failed.
    Line(Box<LogRow>, Option<CauseKey>),
    /// A cause.
    Cause(CauseKey),
    /// A finding, by its identity.
    Finding(String),
}

/// What a line says of the rules that decided about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Said {
    /// Nothing.
    #[default]
    Nothing,
    /// This rule refused.
    Rule(Denial),
    /// No rule of an ALLOW policy matched.
    NoneMatched,
}

/// Where a line leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To the page of pairs, the first one in front.
    Why {
        /// The pairs, never empty.
        pairs: Vec<PairKey>,
        /// The finding they belong to.
        finding: Option<String>,
    },
    /// To an object, at a field.
    Object {
        /// The object.
        object: ObjectRef,
        /// The field that counts.
        field: Option<String>,
    },
    /// To what a code, flag or outcome means.
    Explain(String),
    /// To a line, a cause or a finding, with the lines that prove it.
    Cause(Box<Subject>),
    /// To what would end a finding.
    Fix(String),
    /// To the rules of authorization.
    AuthzRules {
        /// The workload or service, as it is named; all where there is none.
        of: Option<String>,
        /// What a line says of them.
        said: Said,
    },
    /// To the log lines that a query takes.
    Lines(String),
}
