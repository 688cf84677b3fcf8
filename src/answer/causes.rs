//! The causes of what failed, each with the finding that names it.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::Read;
use super::joined::Joined;
use super::logs::{Cause, cause_of};
use crate::correlate::{self, Locator};
use crate::diagnose::{Evidence, Finding};

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

/// Edges of a finding whose hosts are looked at.
const MOST_EDGES: usize = 1000;

/// All causes of what was read.
pub fn causes(read: &Read) -> Causes {
    let joined = Joined::new(read);
    let locator = Locator::new(&read.mesh);
    let named = Named::new(&joined.findings);
    let all = joined.causes.iter().chain(&joined.counted);
    let causes = all.map(|cause| {
        let finding = named.of(cause).and_then(|at| joined.findings.get(at));
        NamedCause {
            cause: cause_of(&locator, cause),
            finding: finding.map(|finding| FindingRef {
                id: finding.id(),
                code: finding.code.code().to_owned(),
                name: finding.code.name().to_owned(),
            }),
        }
    });
    Causes { causes: causes.collect(), lines: read.logs.lines().parsed }
}

/// What a piece of evidence is about: what it says, and a place or a host.
type About = (String, String);

/// Findings by what their evidence is about.
struct Named {
    by_about: HashMap<About, usize>,
}

impl Named {
    fn new(findings: &[Finding]) -> Self {
        let mut by_about = HashMap::new();
        for (at, finding) in findings.iter().enumerate() {
            let mut hosts: HashSet<String> =
                finding.edges.iter().take(MOST_EDGES).map(|edge| edge.host.to_string()).collect();
            hosts.extend(finding.objects.iter().filter_map(|one| match one.id.kind.name() {
                "Service" => Some(format!("{}.{}.svc.cluster.local", one.id.name, one.id.namespace)),
                "Host" => Some(one.id.name.to_string()),
                "Pod" => Some(format!("{}/{}", one.id.namespace, one.id.name)),
                _ => None,
            }));
            for evidence in &finding.evidence {
                let Evidence::Log(lines) = evidence else { continue };
                let samples = lines.samples.iter().map(|sample| format!("{}:{}", sample.file, sample.line));
                for about in samples.chain(hosts.iter().cloned()) {
                    by_about.entry((lines.text.clone(), about)).or_insert(at);
                }
            }
        }
        Self { by_about }
    }

    /// The finding that has the lines of a cause as evidence: the same lines, or lines that say the same of its host.
    fn of(&self, cause: &correlate::Cause) -> Option<usize> {
        let place = &cause.place;
        let pods = place.server_pod.iter().chain(&place.client_pod);
        let pods = || pods.clone().map(|pod| format!("{}/{}", pod.namespace, pod.name));
        cause.evidence.iter().find_map(|lines| {
            let samples = lines.samples.iter().map(|sample| format!("{}:{}", sample.file, sample.line));
            let abouts = samples.chain(place.host.as_deref().map(str::to_owned)).chain(pods());
            let mut found = abouts.map(|about| self.by_about.get(&(lines.text.clone(), about)).copied());
            found.find_map(|found| found)
        })
    }
}
