//! What the screen asks, and what it is told.

use std::sync::Arc;

use crate::answer::authz::hits::AuthzHits;
use crate::answer::authz::workloads::AuthzWorkloads;
use crate::answer::causes::Causes;
use crate::answer::check::CheckReport;
use crate::answer::explain::Explanation;
use crate::answer::log_lines::LogView;
use crate::answer::logs::LogReport;
use crate::answer::rules::RuleTable;
use crate::answer::tls_check::TlsCheck;
use crate::answer::why::Why;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// Everything that is wrong.
    Check,
    /// Do client and server agree, for every distinct answer.
    Tls,
    /// For whom each rule wins.
    Rules,
    /// Which rules decide about requests to each workload.
    AuthzRules,
    /// How often each of them decided.
    AuthzHits,
    /// The access logs in short.
    Logs,
    /// Why what failed did.
    Causes,
    /// The last lines of the logs that a query takes, all with an empty one.
    Lines(String),
    /// Everything about the pairs of a service.
    Why {
        /// The service as it was named: its host, or what the user typed.
        service: String,
        /// The service port; all where there is none.
        port: Option<u16>,
        /// The client, `NAMESPACE/NAME`; all where there is none.
        client: Option<String>,
    },
    /// What a code, flag, detail or cause means.
    Explain(String),
}

/// An answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To [`Question::Check`].
    Check(Arc<CheckReport>),
    /// To [`Question::Tls`].
    Tls(Arc<TlsCheck>),
    /// To [`Question::Rules`].
    Rules(Arc<RuleTable>),
    /// To [`Question::AuthzRules`].
    AuthzRules(Arc<AuthzWorkloads>),
    /// To [`Question::AuthzHits`].
    AuthzHits(Arc<AuthzHits>),
    /// To [`Question::Logs`].
    Logs(Arc<LogReport>),
    /// To [`Question::Causes`].
    Causes(Arc<Causes>),
    /// To [`Question::Lines`].
    Lines(Arc<LogView>),
    /// To [`Question::Why`].
    Why(Arc<Why>),
    /// To [`Question::Explain`]; `None` where nothing is known of it.
    Explain(Option<Arc<Explanation>>),
    /// There is none, and why: no such service, or the computation broke.
    Failed(String),
}
