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
    running: Option<Question>,
    last_begun: Option<i64>,
}

impl Derive {
    /// The revision: how often something was folded in.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The question that is being answered.
    pub fn running(&self) -> Option<&Question> {
        self.running.as_ref()
    }

    /// Something was folded in: every answer is out of date.
    pub fn outdate(&mut self) {
        self.revision += 1;
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
            let old = wanted.iter().find(|one| self.grows_old(one, answers))?;
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
        let depends = !matches!(question, Question::Explain(_));
        depends && answers.revision(question).is_some_and(|known| known < self.revision)
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
        derive.outdate();
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
    fn an_outdated_answer_waits_for_the_pause_and_an_older_result_is_dropped() {
        let (mut derive, mut answers) = (Derive::default(), Answers::default());
        let wanted = [Question::Check];
        derive.outdate();
        derive.next(&wanted, &answers, 1000);
        derive.accept(&Question::Check, 1, &answers);
        answered(&mut answers, Question::Check, 1);
        derive.outdate();
        assert_eq!(derive.next(&wanted, &answers, 1499), None);
        assert_eq!(derive.next(&wanted, &answers, 1500), Some(Question::Check));
        derive.accept(&Question::Check, 2, &answers);
        answered(&mut answers, Question::Check, 2);
        assert!(!derive.accept(&Question::Check, 1, &answers));
    }
}
