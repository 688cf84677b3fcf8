//! The answers at hand, each the newest one that was given.

use std::collections::HashMap;
use std::sync::Arc;

use super::question::{Answer, Question};
use crate::answer::authz::hits::AuthzHits;
use crate::answer::authz::workloads::AuthzWorkloads;
use crate::answer::causes::Causes;
use crate::answer::check::{CheckReport, Finding};
use crate::answer::explain::Explanation;
use crate::answer::log_lines::LogView;
use crate::answer::rules::RuleTable;
use crate::answer::tls_check::TlsCheck;
use crate::answer::why::Why;

/// Answers about one service or code that are kept at most; the others are asked again.
const MOST_KEPT: usize = 64;

/// Answers by question.
#[derive(Debug, Default)]
pub struct Answers {
    given: HashMap<Question, (u64, Answer)>,
}

impl Answers {
    /// Keeps an answer.
    pub fn give(&mut self, question: Question, revision: u64, answer: Answer) {
        if self.given.len() >= MOST_KEPT && !self.given.contains_key(&question) {
            self.given.retain(|known, _| {
                matches!(
                    known,
                    Question::Check
                        | Question::Tls
                        | Question::Rules
                        | Question::AuthzRules
                        | Question::AuthzHits
                        | Question::Causes
                )
            });
        }
        self.given.insert(question, (revision, answer));
    }

    /// The revision that an answer was made from.
    pub fn revision(&self, question: &Question) -> Option<u64> {
        self.given.get(question).map(|(revision, _)| *revision)
    }

    /// Why there is no answer.
    pub fn failure(&self, question: &Question) -> Option<&str> {
        if let Answer::Failed(text) = self.get(question)? { Some(text) } else { None }
    }

    fn get(&self, question: &Question) -> Option<&Answer> {
        self.given.get(question).map(|(_, answer)| answer)
    }

    /// What is wrong.
    pub fn check(&self) -> Option<&Arc<CheckReport>> {
        if let Answer::Check(report) = self.get(&Question::Check)? { Some(report) } else { None }
    }

    /// A finding by its identity.
    pub fn finding(&self, id: &str) -> Option<&Finding> {
        self.check()?.findings.iter().find(|finding| finding.id == id)
    }

    /// The table of pairs.
    pub fn tls(&self) -> Option<&Arc<TlsCheck>> {
        if let Answer::Tls(table) = self.get(&Question::Tls)? { Some(table) } else { None }
    }

    /// The table of rules.
    pub fn rules(&self) -> Option<&Arc<RuleTable>> {
        if let Answer::Rules(table) = self.get(&Question::Rules)? { Some(table) } else { None }
    }

    /// The rules of authorization of all workloads.
    pub fn authz_rules(&self) -> Option<&Arc<AuthzWorkloads>> {
        if let Answer::AuthzRules(all) = self.get(&Question::AuthzRules)? { Some(all) } else { None }
    }

    /// How often rules decided.
    pub fn authz_hits(&self) -> Option<&Arc<AuthzHits>> {
        if let Answer::AuthzHits(hits) = self.get(&Question::AuthzHits)? { Some(hits) } else { None }
    }

    /// Why what failed did.
    pub fn causes(&self) -> Option<&Arc<Causes>> {
        if let Answer::Causes(causes) = self.get(&Question::Causes)? { Some(causes) } else { None }
    }

    /// The last lines that a query takes.
    pub fn lines(&self, question: &Question) -> Option<&Arc<LogView>> {
        if let Answer::Lines(view) = self.get(question)? { Some(view) } else { None }
    }

    /// The page of a service.
    pub fn why(&self, question: &Question) -> Option<&Arc<Why>> {
        if let Answer::Why(why) = self.get(question)? { Some(why) } else { None }
    }

    /// What a code means; `Some(None)` where nothing is known of it.
    pub fn explanation(&self, question: &Question) -> Option<Option<&Arc<Explanation>>> {
        if let Answer::Explain(text) = self.get(question)? { Some(text.as_ref()) } else { None }
    }
}
