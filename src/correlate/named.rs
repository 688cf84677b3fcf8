//! Which finding names a cause: the same decisions by which causes become findings, read the other way.

use rustc_hash::FxHashMap;

use super::cause::Cause;
use super::locate::Locator;
use super::{denials, merge, passthrough};
use crate::diagnose::finding::{Evidence, Finding};
use crate::diagnose::{Code, Confidence};
use crate::model::ObjectId;

/// The findings of configuration and logs, to look causes up in.
pub struct Named<'a> {
    locator: &'a Locator<'a>,
    findings: &'a [Finding],
    by_root: FxHashMap<(Code, ObjectId, &'a str), usize>,
    by_code: FxHashMap<Code, Vec<usize>>,
}

impl<'a> Named<'a> {
    /// The findings that [`merge::findings`] made of all causes.
    pub fn new(locator: &'a Locator<'a>, findings: &'a [Finding]) -> Self {
        let mut by_root = FxHashMap::default();
        let mut by_code: FxHashMap<Code, Vec<usize>> = FxHashMap::default();
        for (at, finding) in findings.iter().enumerate() {
            let (object, field) = &finding.root;
            by_root.insert((finding.code, object.clone(), field.as_str()), at);
            by_code.entry(finding.code).or_default().push(at);
        }
        Self { locator, findings, by_root, by_code }
    }

    /// The finding that has the lines of this cause as its evidence; none where the cause makes none.
    pub fn of(&self, cause: &Cause) -> Option<&'a Finding> {
        let at = self.explained(cause).or_else(|| {
            if let Some((object, field)) = passthrough::root_of(self.locator, cause) {
                return self.at(Code::PlaintextToStrict, object, &field);
            }
            if denials::wanting(cause).is_some() {
                return self.denied(cause);
            }
            let code = merge::code_alone(self.locator, cause)?;
            self.at(code, merge::about(self.locator, cause, code).1, "logs")
        });
        self.findings.get(at?)
    }

    fn at(&self, code: Code, object: ObjectId, field: &str) -> Option<usize> {
        self.by_root.get(&(code, object, field)).copied()
    }

    fn of_code(&self, code: Code) -> impl Iterator<Item = (usize, &'a Finding)> {
        let all = self.by_code.get(&code).into_iter().flatten();
        all.filter_map(|at| Some((*at, self.findings.get(*at)?)))
    }

    /// The finding of the configuration that explains a cause.
    fn explained(&self, cause: &Cause) -> Option<usize> {
        let code = merge::code_of(cause.label).filter(|_| cause.label.is_mtls())?;
        let mut all = self.of_code(code);
        all.find(|(_, one)| !merge::edges_of(self.locator, cause, one).is_empty()).map(|(at, _)| at)
    }

    /// The finding of a denial for want of an identity: the one that has its pair, else the one that has its lines.
    fn denied(&self, cause: &Cause) -> Option<usize> {
        let edge = denials::edge_of(self.locator, cause);
        let has_lines = |finding: &Finding| {
            finding.confidence >= Confidence::Likely
                && finding.evidence.iter().any(|one| match one {
                    Evidence::Log(lines) => cause.evidence.iter().any(|own| own == lines),
                    Evidence::Field { .. } => false,
                })
        };
        let mut all = self.of_code(Code::DeniedBecausePlaintext);
        let is_it = |finding: &Finding| match &edge {
            Some(edge) => finding.edges.contains(edge),
            None => has_lines(finding),
        };
        all.find(|(_, finding)| is_it(finding)).map(|(at, _)| at)
    }
}
