//! What is out of date, what is being computed, and which result to accept.
//!
//! There is one number: the revision, which counts what was folded in. One computation runs at a time. Nothing is
//! queued: what to ask next is read off the screens that are open, so a question waits at most once, and one that
//! nobody looks at any more is never asked.

use super::answers::Answers;
use super::question::Question;

/// Answers that grow old with every batch of log lines are made anew at most this often, in milliseconds.
const PAUSE: i64 = 500;

/// The state of what is derived.
#[derive(Debug, Default)]
pub struct Derive {
    revision: u64,
    /// The revision at which the mesh itself was last another one.
    mesh: u64,
    running: Option<Question>,
    last_begun: Option<i64>,
}

impl Derive {
    /// The revision: how often something was folded in.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Another mesh was read: every answer about it is out of date.
    pub fn mesh_changed(&mut self) {
        self.revision += 1;
        self.mesh = self.revision;
    }

    /// Log lines were folded in: the answers that look at logs are out of date.
    pub fn logs_changed(&mut self) {
        self.revision += 1;
    }

    /// The revision that an answer must have been made from to be up to date.
    fn wanted(&self, question: &Question) -> u64 {
        match question {
            Question::Check
            | Question::Logs
            | Question::AuthzHits
            | Question::Causes
            | Question::Lines(_)
            | Question::Why { .. } => self.revision,
            Question::Tls | Question::Rules | Question::AuthzRules => self.mesh,
            Question::Explain(_) => 0,
        }
    }

    /// The computation came back. False for one that says less than the answer at hand.
    pub fn accept(&mut self, question: &Question, revision: u64, answers: &Answers) -> bool {
        if self.running.as_ref() == Some(question) {
            self.running = None;
        }
        answers.revision(question).is_none_or(|known| known <= revision)
    }

    /// What to ask now, of what is wanted (most wanted first): what was never answered at once, what is out of date
    /// after a pause since answers were last made anew.
    pub fn next(&mut self, wanted: &[Question], answers: &Answers, now: i64) -> Option<Question> {
        if self.running.is_some() || self.revision == 0 {
            return None;
        }
        let never = wanted.iter().find(|question| answers.revision(question).is_none());
        let next = never.or_else(|| {
            // The oldest first, so that none waits for ever behind one that is old again when it is answered.
            let old = wanted.iter().filter(|one| self.grows_old(one, answers));
            let old = old.min_by_key(|one| answers.revision(one))?;
            let rested = self.last_begun.is_none_or(|begun| now - begun >= PAUSE);
            // The questions of one revision are asked one after the other; the pause is between revisions.
            let goes_on = wanted.iter().any(|one| answers.revision(one) == Some(self.revision));
            (rested || goes_on).then_some(old)
        })?;
        if wanted.iter().all(|one| answers.revision(one) != Some(self.revision)) {
            self.last_begun = Some(now);
        }
        self.running = Some(next.clone());
        self.running.clone()
    }

    fn grows_old(&self, question: &Question, answers: &Answers) -> bool {
        answers.revision(question).is_some_and(|known| known < self.wanted(question))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::question::Answer;

    fn answered(answers: &mut Answers, question: Question, revision: u64) {
        answers.give(question, revision, Answer::Explain(None));
    }

    #[test]
    fn one_at_a_time_and_only_what_is_wanted() {
        let (mut derive, mut answers) = (Derive::default(), Answers::default());
        let wanted = [Question::Tls, Question::Check];
        assert_eq!(derive.next(&wanted, &answers, 0), None, "nothing was read");
        derive.mesh_changed();
        assert_eq!(derive.next(&wanted, &answers, 0), Some(Question::Tls));
        assert_eq!(derive.next(&wanted, &answers, 0), None, "one is running");
        assert!(derive.accept(&Question::Tls, 1, &answers));
        answered(&mut answers, Question::Tls, 1);
        assert_eq!(derive.next(&wanted, &answers, 0), Some(Question::Check));
        derive.accept(&Question::Check, 1, &answers);
        answered(&mut answers, Question::Check, 1);
        assert_eq!(derive.next(&wanted, &answers, 0), None, "all is up to date");
    }

    #[test]
    fn log_lines_do_not_outdate_what_looks_at_no_log() {
        let (mut derive, mut answers) = (Derive::default(), Answers::default());
        derive.mesh_changed();
        for question in [Question::Tls, Question::Rules, Question::AuthzRules, Question::Check] {
            answered(&mut answers, question, 1);
        }
        derive.logs_changed();
        let wanted = [Question::Tls, Question::Rules, Question::AuthzRules, Question::Check];
        assert_eq!(derive.next(&wanted, &answers, 0), Some(Question::Check));
    }

    #[test]
    fn an_outdated_answer_waits_for_the_pause_and_an_older_result_is_dropped() {
        let (mut derive, mut answers) = (Derive::default(), Answers::default());
        let wanted = [Question::Check];
        derive.mesh_changed();
        derive.next(&wanted, &answers, 1000);
        derive.accept(&Question::Check, 1, &answers);
        answered(&mut answers, Question::Check, 1);
        derive.mesh_changed();
        assert_eq!(derive.next(&wanted, &answers, 1499), None);
        assert_eq!(derive.next(&wanted, &answers, 1500), Some(Question::Check));
        derive.accept(&Question::Check, 2, &answers);
        answered(&mut answers, Question::Check, 2);
        assert!(!derive.accept(&Question::Check, 1, &answers));
    }
}
