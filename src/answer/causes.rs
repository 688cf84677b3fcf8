//! The causes of what failed, each with the finding that names it.

use serde::Serialize;

use super::Read;
use super::joined::Joined;
use super::logs::{Cause, cause_of};
use crate::correlate::{Locator, Named};

/// The causes, most lines first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Causes {
    /// The causes: of lines first, behind them those that only counters tell.
    pub causes: Vec<NamedCause>,
    /// Lines of access logs that were read.
    pub lines: u64,
}

/// A cause and the finding that names it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedCause {
    /// The cause.
    #[serde(flatten)]
    pub cause: Cause,
    /// The finding that has its lines as evidence; none where it is the affair of the application.
    pub finding: Option<FindingRef>,
}

/// A finding by its identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingRef {
    /// Its identity.
    pub id: String,
    /// Its code, `MS0303`.
    pub code: String,
    /// Its name.
    pub name: String,
}

/// All causes of what was read.
pub fn causes(read: &Read) -> Causes {
    let joined = Joined::new(read);
    let locator = Locator::new(&read.mesh);
    let named = Named::new(&locator, &joined.findings);
    let all = joined.causes.iter().chain(&joined.counted);
    let causes = all.map(|cause| NamedCause {
        cause: cause_of(&locator, cause),
        finding: named.of(cause).map(|finding| FindingRef {
            id: finding.id(),
            code: finding.code.code().to_owned(),
            name: finding.code.name().to_owned(),
        }),
    });
    Causes { causes: causes.collect(), lines: read.logs.lines().parsed }
}
