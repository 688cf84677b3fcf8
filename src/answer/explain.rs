//! `explain`: what a finding, reason, response flag, detail, cause, outcome or status means.
//!
//! The pages are the files of `assets/explain`, one a name, embedded in the program. A page begins with
//! `# NAME title` and ends with `See also: ` and the names of other pages or flags.

use serde::Serialize;

use super::common::API_VERSION;
use crate::logs::{RESPONSE_FLAGS, ResponseFlag};
use crate::resolve::name::distance;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// [`super::common::API_VERSION`].
    pub api_version: &'static str,
    /// `Explanation`.
    pub kind: &'static str,
    /// The name of the page, or of its section, that answers.
    pub code: String,
    /// Its title.
    pub title: String,
    /// The page, without title and see-also line.
    pub text: String,
    /// What is near to it: names that can be asked for in turn.
    pub see_also: Vec<String>,
}

/// Every page: its name and its text.
#[rustfmt::skip]
pub const PAGES: &[(&str, &str)] = &[
    ("MS0101", include_str!("../../assets/explain/MS0101.md")),
    ("MS0102", include_str!("../../assets/explain/MS0102.md")),
    ("MS0103", include_str!("../../assets/explain/MS0103.md")),
    ("MS0104", include_str!("../../assets/explain/MS0104.md")),
    ("MS0105", include_str!("../../assets/explain/MS0105.md")),
    ("MS0106", include_str!("../../assets/explain/MS0106.md")),
    ("MS0107", include_str!("../../assets/explain/MS0107.md")),
    ("MS0108", include_str!("../../assets/explain/MS0108.md")),
    ("MS0109", include_str!("../../assets/explain/MS0109.md")),
    ("MS0110", include_str!("../../assets/explain/MS0110.md")),
    ("MS0111", include_str!("../../assets/explain/MS0111.md")),
    ("MS0112", include_str!("../../assets/explain/MS0112.md")),
    ("MS0113", include_str!("../../assets/explain/MS0113.md")),
    ("MS0114", include_str!("../../assets/explain/MS0114.md")),
    ("MS0115", include_str!("../../assets/explain/MS0115.md")),
    ("MS0116", include_str!("../../assets/explain/MS0116.md")),
    ("MS0117", include_str!("../../assets/explain/MS0117.md")),
    ("MS0118", include_str!("../../assets/explain/MS0118.md")),
    ("MS0201", include_str!("../../assets/explain/MS0201.md")),
    ("MS0202", include_str!("../../assets/explain/MS0202.md")),
    ("MS0203", include_str!("../../assets/explain/MS0203.md")),
    ("MS0204", include_str!("../../assets/explain/MS0204.md")),
    ("MS0205", include_str!("../../assets/explain/MS0205.md")),
    ("MS0206", include_str!("../../assets/explain/MS0206.md")),
    ("MS0207", include_str!("../../assets/explain/MS0207.md")),
    ("MS0208", include_str!("../../assets/explain/MS0208.md")),
    ("MS0209", include_str!("../../assets/explain/MS0209.md")),
    ("MS0301", include_str!("../../assets/explain/MS0301.md")),
    ("MS0302", include_str!("../../assets/explain/MS0302.md")),
    ("MS0303", include_str!("../../assets/explain/MS0303.md")),
    ("MS0304", include_str!("../../assets/explain/MS0304.md")),
    ("MS0305", include_str!("../../assets/explain/MS0305.md")),
    ("MS0306", include_str!("../../assets/explain/MS0306.md")),
    ("MS0307", include_str!("../../assets/explain/MS0307.md")),
    ("MS0401", include_str!("../../assets/explain/MS0401.md")),
    ("MS0402", include_str!("../../assets/explain/MS0402.md")),
    ("MS0403", include_str!("../../assets/explain/MS0403.md")),
    ("MS0404", include_str!("../../assets/explain/MS0404.md")),
    ("MS0405", include_str!("../../assets/explain/MS0405.md")),
    ("MS0406", include_str!("../../assets/explain/MS0406.md")),
    ("MS0407", include_str!("../../assets/explain/MS0407.md")),
    ("MS0408", include_str!("../../assets/explain/MS0408.md")),
    ("MS0409", include_str!("../../assets/explain/MS0409.md")),
    ("MS0410", include_str!("../../assets/explain/MS0410.md")),
    ("MS0411", include_str!("../../assets/explain/MS0411.md")),
    ("MS0412", include_str!("../../assets/explain/MS0412.md")),
    ("MS0413", include_str!("../../assets/explain/MS0413.md")),
    ("MS0414", include_str!("../../assets/explain/MS0414.md")),
    ("MS0901", include_str!("../../assets/explain/MS0901.md")),
    ("MS0902", include_str!("../../assets/explain/MS0902.md")),
    ("MS0903", include_str!("../../assets/explain/MS0903.md")),
    ("MS0904", include_str!("../../assets/explain/MS0904.md")),
    ("MS0905", include_str!("../../assets/explain/MS0905.md")),
    ("NR", include_str!("../../assets/explain/NR.md")),
    ("UC", include_str!("../../assets/explain/UC.md")),
    ("UF", include_str!("../../assets/explain/UF.md")),
    ("UH", include_str!("../../assets/explain/UH.md")),
    ("URX", include_str!("../../assets/explain/URX.md")),
    ("actions", include_str!("../../assets/explain/actions.md")),
    ("app-closed", include_str!("../../assets/explain/app-closed.md")),
    ("app-down", include_str!("../../assets/explain/app-down.md")),
    ("app-error", include_str!("../../assets/explain/app-error.md")),
    ("app-protocol-error", include_str!("../../assets/explain/app-protocol-error.md")),
    ("bad-request", include_str!("../../assets/explain/bad-request.md")),
    ("caller-gave-up", include_str!("../../assets/explain/caller-gave-up.md")),
    ("certificate-not-delivered", include_str!("../../assets/explain/certificate-not-delivered.md")),
    ("client-cert-expired", include_str!("../../assets/explain/client-cert-expired.md")),
    ("client-cert-untrusted", include_str!("../../assets/explain/client-cert-untrusted.md")),
    ("connection_termination", include_str!("../../assets/explain/connection_termination.md")),
    ("control-plane-mismatch", include_str!("../../assets/explain/control-plane-mismatch.md")),
    ("control-plane-unreachable", include_str!("../../assets/explain/control-plane-unreachable.md")),
    ("ext-authz-denied", include_str!("../../assets/explain/ext-authz-denied.md")),
    ("fault-injected", include_str!("../../assets/explain/fault-injected.md")),
    ("filter_chain_not_found", include_str!("../../assets/explain/filter_chain_not_found.md")),
    ("hbone-unreachable", include_str!("../../assets/explain/hbone-unreachable.md")),
    ("missing-tls-origination", include_str!("../../assets/explain/missing-tls-origination.md")),
    ("mtls-to-plaintext", include_str!("../../assets/explain/mtls-to-plaintext.md")),
    ("no-client-cert", include_str!("../../assets/explain/no-client-cert.md")),
    ("no-cluster", include_str!("../../assets/explain/no-cluster.md")),
    ("no-endpoints", include_str!("../../assets/explain/no-endpoints.md")),
    ("no-route", include_str!("../../assets/explain/no-route.md")),
    ("non-istio-tls-to-permissive", include_str!("../../assets/explain/non-istio-tls-to-permissive.md")),
    ("outcomes", include_str!("../../assets/explain/outcomes.md")),
    ("outlier-ejected", include_str!("../../assets/explain/outlier-ejected.md")),
    ("overflow", include_str!("../../assets/explain/overflow.md")),
    ("plaintext-to-strict", include_str!("../../assets/explain/plaintext-to-strict.md")),
    ("pod-removed", include_str!("../../assets/explain/pod-removed.md")),
    ("pod-unreachable", include_str!("../../assets/explain/pod-unreachable.md")),
    ("rate-limited", include_str!("../../assets/explain/rate-limited.md")),
    ("rbac-denied", include_str!("../../assets/explain/rbac-denied.md")),
    ("rbac-denied-because-plaintext", include_str!("../../assets/explain/rbac-denied-because-plaintext.md")),
    ("server-cert-expired", include_str!("../../assets/explain/server-cert-expired.md")),
    ("server-cert-untrusted", include_str!("../../assets/explain/server-cert-untrusted.md")),
    ("server-san-mismatch", include_str!("../../assets/explain/server-san-mismatch.md")),
    ("sidecar-killed", include_str!("../../assets/explain/sidecar-killed.md")),
    ("stale-connection", include_str!("../../assets/explain/stale-connection.md")),
    ("statuses", include_str!("../../assets/explain/statuses.md")),
    ("timeout", include_str!("../../assets/explain/timeout.md")),
    ("tls-version-mismatch", include_str!("../../assets/explain/tls-version-mismatch.md")),
    ("unknown", include_str!("../../assets/explain/unknown.md")),
    ("unknown-host", include_str!("../../assets/explain/unknown-host.md")),
    ("via_upstream", include_str!("../../assets/explain/via_upstream.md")),
    ("waypoint-missing", include_str!("../../assets/explain/waypoint-missing.md")),
    ("waypoint-refused", include_str!("../../assets/explain/waypoint-refused.md")),
    ("waypoint-unreachable", include_str!("../../assets/explain/waypoint-unreachable.md")),
    ("workload-unknown", include_str!("../../assets/explain/workload-unknown.md")),
    ("wrong_version_number", include_str!("../../assets/explain/wrong_version_number.md")),
    ("ztunnel-stopped", include_str!("../../assets/explain/ztunnel-stopped.md")),
];

/// Pages whose sections answer for themselves.
const WITH_SECTIONS: [&str; 3] = ["actions", "outcomes", "statuses"];

/// The page, section or flag that is asked for, `None` where there is none. Asked for can be:
///
/// - a code (`MS0101`), the name of a finding or reason (`two-origins`), a cause (`app-closed`);
/// - one response flag or several, with commas or spaces between, also with the status before them (`503 URX,UF`);
/// - a detail or TLS error as it stands in a log line;
/// - an outcome of `resolve`, a status of `tls-check`, a symptom (`X1`).
///
/// Capitals count only where they tell two names apart: `unknown` is a cause and `UNKNOWN` a status.
pub fn explain(asked: &str) -> Option<Explanation> {
    let asked = asked.trim();
    let exact = |name: &str| name == asked;
    let alike = |name: &str| name.eq_ignore_ascii_case(asked);
    named(exact)
        .or_else(|| named(alike))
        .or_else(|| by_title(asked))
        .or_else(|| of_flags(asked))
        .or_else(|| of_detail(asked))
}

/// The names of all pages and of their sections, sorted. Response flags without a page are not among them.
pub fn names() -> Vec<String> {
    let pages = PAGES.iter().map(|(name, _)| (*name).to_owned());
    let mut names: Vec<_> = pages.chain(sections().map(|section| section.name.to_owned())).collect();
    names.sort();
    names
}

/// The name, of all that can be explained, that is spelt most like what was asked, where one is near enough.
pub fn nearest(asked: &str) -> Option<String> {
    let asked = asked.trim().to_lowercase();
    let titles =
        PAGES.iter().filter(|(name, _)| is_code(name)).map(|(_, text)| Page::of(text).title.to_owned());
    let flags = RESPONSE_FLAGS.iter().map(|flag| flag.short.to_owned());
    let known = names().into_iter().chain(titles).chain(flags);
    let measured = known.map(|name| (distance(&asked, &name.to_lowercase()), name));
    let (far, name) = measured.min()?;
    let allowed = (asked.chars().count() / 3).max(1);
    (far <= allowed && far < name.chars().count()).then_some(name)
}

/// A page or section in its parts.
struct Page<'a> {
    name: &'a str,
    title: &'a str,
    text: String,
    see_also: Vec<String>,
}

impl<'a> Page<'a> {
    fn of(source: &'a str) -> Self {
        let (head, body) = source.split_once('\n').unwrap_or((source, ""));
        let (name, title) = name_and_title(head);
        let (text, also) = body.rsplit_once("See also:").unwrap_or((body, ""));
        let see_also = also.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        Self { name, title, text: text.trim().to_owned(), see_also: see_also.collect() }
    }

    fn answer(self) -> Explanation {
        Explanation {
            api_version: API_VERSION,
            kind: "Explanation",
            code: self.name.to_owned(),
            title: self.title.to_owned(),
            text: self.text,
            see_also: self.see_also,
        }
    }
}

fn name_and_title(head: &str) -> (&str, &str) {
    let head = head.trim_start_matches('#').trim();
    head.split_once(' ').unwrap_or((head, ""))
}

fn named(is: impl Fn(&str) -> bool) -> Option<Explanation> {
    let page = PAGES.iter().find(|(name, _)| is(name)).map(|(_, source)| Page::of(source));
    page.or_else(|| sections().find(|section| is(section.name))).map(Page::answer)
}

/// The sections of the pages that have them: those with a heading, and the rows of the table of symptoms.
fn sections() -> impl Iterator<Item = Page<'static>> {
    let pages = PAGES.iter().filter(|(name, _)| WITH_SECTIONS.contains(name));
    pages.flat_map(|(page, source)| {
        let also = || vec![(*page).to_owned()];
        let (_, all) = source.split_once("\n## ").unwrap_or_default();
        let all = all.rsplit_once("\nSee also:").map_or(all, |(all, _)| all);
        let headed = all.split("\n## ").filter_map(move |section| {
            let (head, body) = section.split_once('\n')?;
            let (name, title) = name_and_title(head);
            let text = body.trim().to_owned();
            (!title.is_empty()).then(|| Page { name, title, text, see_also: also() })
        });
        headed.chain(source.lines().filter_map(symptom))
    })
}

/// A row of the table of symptoms.
fn symptom(row: &'static str) -> Option<Page<'static>> {
    let cells: Vec<_> = row.strip_prefix("| X")?.split('|').map(str::trim).collect();
    let [_, title, client, server, _] = cells.as_slice() else { return None };
    let name = row.trim_start_matches('|').trim().split(' ').next()?;
    let text = format!("At the client: {client}.\nAt the server: {server}.");
    Some(Page { name, title, text, see_also: vec!["statuses".to_owned()] })
}

fn is_code(name: &str) -> bool {
    name.strip_prefix("MS").is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The page of a finding or reason by its name.
fn by_title(asked: &str) -> Option<Explanation> {
    let pages = PAGES.iter().filter(|(name, _)| is_code(name)).map(|(_, source)| Page::of(source));
    pages.into_iter().find(|page| page.title.eq_ignore_ascii_case(asked)).map(Page::answer)
}

/// Response flags, as they stand in a line: the first one's page, with the others beside it.
fn of_flags(asked: &str) -> Option<Explanation> {
    let is_status = |word: &&str| *word == "-" || word.bytes().all(|byte| byte.is_ascii_digit());
    let words = asked.split([',', ' ']).filter(|word| !word.is_empty() && !is_status(word));
    let flags: Option<Vec<_>> = words.map(flag).collect();
    let flags = flags?;
    let (first, others) = flags.split_first()?;
    let mut answer = named(|name| name == first.short).unwrap_or_else(|| of_flag(first));
    let others = others.iter().map(|flag| flag.short.to_owned());
    answer.see_also.retain(|name| !others.clone().any(|other| other == *name));
    answer.see_also.splice(0..0, others);
    Some(answer)
}

fn flag(short: &str) -> Option<&'static ResponseFlag> {
    RESPONSE_FLAGS.iter().find(|flag| flag.short.eq_ignore_ascii_case(short))
}

/// A flag that has no page of its own.
fn of_flag(flag: &ResponseFlag) -> Explanation {
    let text = format!(
        "{}\n\nA flag says what one proxy saw, not why. It does not show a disagreement on mutual TLS by itself.",
        flag.meaning
    );
    Page { name: flag.short, title: "response flag of Envoy", text, see_also: Vec::new() }.answer()
}

/// Details and TLS errors out of a line: the most telling word in them that has a page, which is the last.
fn of_detail(asked: &str) -> Option<Explanation> {
    let words = asked.rsplit(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let mut with_page = words.filter(|word| word.contains('_'));
    with_page.find_map(|word| named(|name| name.eq_ignore_ascii_case(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::Label;
    use crate::diagnose::{Code, Reason};

    fn code_of(asked: &str) -> Option<String> {
        explain(asked).map(|answer| answer.code)
    }

    #[test]
    fn every_code_reason_and_cause_has_a_page() {
        for code in Code::ALL {
            let answer = explain(code.code()).unwrap();
            assert_eq!((answer.code.as_str(), answer.title.as_str()), (code.code(), code.name()));
        }
        let reasons = [
            Reason::HiddenByPolicyLevel,
            Reason::HeadlessAllOrNothing,
            Reason::ModeMissing,
            Reason::PortSettingsDropTls,
            Reason::CredentialIgnored,
        ];
        for reason in reasons {
            assert_eq!(code_of(reason.code()).as_deref(), Some(reason.code()));
        }
        for label in Label::ALL {
            assert_eq!(code_of(label.word()).as_deref(), Some(label.word()));
        }
    }

    #[test]
    fn every_outcome_status_and_symptom_has_a_section() {
        let outcomes = [
            "used",
            "merged",
            "merged-not-used",
            "shadowed",
            "less-specific",
            "not-exported",
            "wrong-namespace",
            "host-mismatch",
            "selector-mismatch",
            "selector-preferred",
            "older",
            "newer",
            "not-in-scope",
        ];
        let statuses = ["OK", "WARN", "CONFLICT", "COND", "UNKNOWN"];
        let symptoms = ["X1", "X2", "X3", "X4", "X5", "X6", "X7", "X8"];
        for name in outcomes.iter().chain(&statuses).chain(&symptoms) {
            let answer = explain(name).unwrap();
            assert_eq!(answer.code, *name);
            assert!(!answer.title.is_empty() && !answer.text.is_empty(), "{name}");
        }
        assert!(!explain("used").unwrap().text.contains('#'), "a section is given alone");
    }

    #[test]
    fn pages_are_well_formed() {
        for (name, source) in PAGES {
            let page = Page::of(source);
            assert_eq!(page.name, *name);
            assert!(!page.title.is_empty() && !page.see_also.is_empty(), "{name}");
            assert!(source.lines().all(|line| line.chars().count() <= 100), "{name}: a line is too long");
            let last = source.lines().last().unwrap();
            assert!(last.starts_with("See also: "), "{name}: {last}");
            for other in &page.see_also {
                assert!(
                    PAGES.iter().any(|(known, _)| known == other) || flag(other).is_some(),
                    "{name}: {other}"
                );
            }
        }
        assert!(PAGES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn the_page_of_a_finding_has_all_its_parts() {
        for (name, source) in PAGES.iter().filter(|(name, _)| is_code(name)) {
            let parts: [&[&str]; 4] = [
                &["How it is decided"],
                &["ook-alikes", "\nHow to tell"],
                &["\nWhat to do"],
                &["\nElsewhere: no other tool checks this", "\nElsewhere: istioctl", "\nElsewhere: Kiali"],
            ];
            for words in parts {
                assert!(words.iter().any(|word| source.contains(word)), "{name} has none of {words:?}");
            }
            let page = Page::of(source);
            assert!(!page.text.starts_with("How it is decided"), "{name}: what it means comes first");
            assert!(
                Code::of(name).is_some_and(|code| code.name() == page.title),
                "{name} is in the catalogue"
            );
        }
    }

    #[test]
    fn every_flag_is_explained_and_several_together() {
        for flag in &RESPONSE_FLAGS {
            assert_eq!(code_of(flag.short).as_deref(), Some(flag.short));
        }
        let answer = explain("urx,uf").unwrap();
        assert_eq!((answer.code.as_str(), answer.see_also.first().map(String::as_str)), ("URX", Some("UF")));
        assert_eq!(answer.see_also.iter().filter(|name| *name == "UF").count(), 1);
        assert_eq!(code_of("503 UC").as_deref(), Some("UC"));
        assert_eq!(code_of("UC,XYZ"), None);
    }

    #[test]
    fn names_are_found_as_people_write_them() {
        assert_eq!(code_of(" ms0101 ").as_deref(), Some("MS0101"));
        assert_eq!(code_of("plaintext-to-strict").as_deref(), Some("plaintext-to-strict"));
        assert_eq!(code_of("two-origins").as_deref(), Some("MS0904"));
        assert_eq!(code_of("unknown").as_deref(), Some("unknown"));
        assert_eq!(code_of("UNKNOWN").as_deref(), Some("UNKNOWN"));
        let details = "upstream_reset_before_response_started{connection_termination}";
        assert_eq!(code_of(details).as_deref(), Some("connection_termination"));
        assert_eq!(code_of("filter_chain_not_found").as_deref(), Some("filter_chain_not_found"));
        for error in [
            "upstream_reset_before_response_started{remote_connection_failure|TLS_error:|268435703:SSL_routines:\
             OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end}",
            "TLS error: 268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER",
        ] {
            assert_eq!(code_of(error).as_deref(), Some("wrong_version_number"));
        }
        assert_eq!((code_of(""), code_of("-"), code_of("503"), code_of("MS9999")), (None, None, None, None));
    }

    #[test]
    fn a_slip_of_the_pen_is_met_with_the_nearest_name() {
        assert_eq!(nearest("MS9301").as_deref(), Some("MS0301"));
        assert_eq!(nearest("plaintext-to-strickt").as_deref(), Some("plaintext-to-strict"));
        assert_eq!(nearest("shadwed").as_deref(), Some("shadowed"));
        assert_eq!(nearest("something-else-entirely"), None);
        assert!(names().is_sorted() && names().contains(&"X1".to_owned()));
    }
}
