//! Fields about the identity of a peer (I1 to I6), as Envoy evaluates them. Identities are written without `spiffe://`.

use memchr::memmem;

use super::pattern::{Glob, Pattern, Star};
use crate::model::Text;

/// The trust domain that stands for the mesh's own, whatever its name is (I6).
const LOCAL: &str = "cluster.local";

/// The patterns of `principals`, after aliases (I2, I6).
pub fn principals(values: &[Text], trust_domains: &[String]) -> Vec<Pattern> {
    let all = values.iter().flat_map(|value| with_aliases(value, trust_domains));
    // An empty text fits nothing, and neither does one with the scheme.
    let filled =
        all.filter(|value| !value.is_empty() && !value.trim_start_matches('*').starts_with("spiffe://"));
    filled.map(|value| Pattern::new(&value)).collect()
}

/// A principal in all trust domains that its own stands for (I6).
fn with_aliases(principal: &str, trust_domains: &[String]) -> Vec<String> {
    let as_it_is = || vec![principal.to_owned()];
    let Some((domain, rest)) = principal.split_once('/') else { return as_it_is() };
    let parts = principal.split('/').count();
    if parts != 5 || domain == "*" {
        return as_it_is();
    }
    let is_one = |one: &String| domain == one || covers(domain, one) || covers(one, domain);
    if domain != LOCAL && !trust_domains.iter().any(is_one) {
        return as_it_is();
    }
    let mut all: Vec<String> = Vec::new();
    for one in trust_domains {
        let is_covered = domain.strip_prefix('*').is_some_and(|end| one.ends_with(end));
        let value = if is_covered { principal.to_owned() } else { format!("{one}/{rest}") };
        if !all.contains(&value) {
            all.push(value);
        }
    }
    all
}

/// Whether a pattern with a star at one end covers a text.
fn covers(pattern: &str, text: &str) -> bool {
    pattern.strip_prefix('*').is_some_and(|end| text.ends_with(end))
        || pattern.strip_suffix('*').is_some_and(|start| text.starts_with(start))
}

/// Whether an identity fits one of `principals`.
pub fn is_principal(patterns: &[Pattern], identity: &str) -> bool {
    Pattern::any_fits(patterns, identity, Star::SomeText)
}

/// The globs of `namespaces` over whole identities (I3).
pub fn namespaces(values: &[Text]) -> Vec<Glob> {
    let filled = values.iter().filter(|value| !value.is_empty());
    filled.map(|value| Glob::new(&format!("*/ns/{value}/*"))).collect()
}

/// An account of `serviceAccounts`: its namespace and its name (I4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    namespace: Text,
    name: Text,
}

impl Account {
    /// The account of a value; one without namespace is of that of the policy.
    pub fn new(value: &str, namespace: &str) -> Self {
        let (namespace, name) = value.split_once('/').unwrap_or((namespace, value));
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Whether an identity is this account's, with other elements around it or without (I4).
    pub fn fits(&self, identity: &str) -> bool {
        if self.name.is_empty() {
            return false;
        }
        let namespace = format!("/ns/{}/", self.namespace);
        let account = format!("sa/{}", self.name);
        // Something has to stand before; the first place leaves the most behind it.
        let found = memmem::find_iter(identity.as_bytes(), &namespace).find(|at| *at > 0);
        let Some(rest) = found.and_then(|at| identity.get(at + namespace.len()..)) else { return false };
        memmem::find_iter(rest.as_bytes(), &account).any(|at| {
            let before = rest.get(..at).unwrap_or_default();
            let after = rest.get(at + account.len()..).unwrap_or_default();
            (before.is_empty() || before.len() > 1 && before.ends_with('/'))
                && (after.is_empty() || after.len() > 1 && after.starts_with('/'))
        })
    }

    /// Whether it is exactly this namespace and this name, as ztunnel compares (I4).
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        &*self.namespace == namespace && &*self.name == name
    }
}

/// Namespace and account of an identity that has no other parts.
pub fn parts(identity: &str) -> Option<(&str, &str)> {
    let mut parts = identity.split('/');
    let found = match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some("ns"), Some(namespace), Some("sa"), Some(account)) => Some((namespace, account)),
        (_, _, _, _, _) => None,
    };
    found.filter(|_| parts.next().is_none())
}

/// The patterns of `trustDomains`, after aliases (I5, I6).
pub fn trust_domains(values: &[Text], trust_domains: &[String]) -> Vec<Pattern> {
    let mut all: Vec<&str> = Vec::new();
    for value in values.iter().filter(|value| !value.is_empty()) {
        if trust_domains.iter().any(|one| **one == **value) {
            all.extend(trust_domains.iter().map(String::as_str));
        } else {
            all.push(value);
        }
    }
    all.into_iter().map(Pattern::new).collect()
}

/// Whether an identity is of one of the trust domains. A star does not go across a slash.
pub fn is_of_trust_domain(patterns: &[Pattern], identity: &str) -> bool {
    let domain = identity.split('/').next().unwrap_or_default();
    patterns.iter().any(|pattern| match pattern {
        Pattern::Any => true,
        Pattern::Suffix(end) => domain.ends_with(&**end),
        Pattern::Prefix(start) => domain.starts_with(&**start),
        // What has a slash in it is compared with as much of the identity.
        Pattern::Exact(whole) => identity.strip_prefix(&**whole).is_some_and(|rest| rest.starts_with('/')),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains(all: &[&str]) -> Vec<String> {
        all.iter().map(|one| (*one).to_owned()).collect()
    }

    #[test]
    fn a_principal_is_of_all_names_of_its_trust_domain() {
        let all = domains(&["td1", "td2", "old.td"]);
        let of = |value: &str| with_aliases(value, &all);
        let each = ["td1/ns/a/sa/b", "td2/ns/a/sa/b", "old.td/ns/a/sa/b"];
        assert_eq!(of("cluster.local/ns/a/sa/b"), each);
        assert_eq!(of("td2/ns/a/sa/b"), each);
        assert_eq!(of("other/ns/a/sa/b"), ["other/ns/a/sa/b"]);
        assert_eq!(of("*/ns/a/sa/b"), ["*/ns/a/sa/b"]);
        assert_eq!(of("td1/ns/a/*"), ["td1/ns/a/*"]);
        assert_eq!(of("*.td/ns/a/sa/b"), ["td1/ns/a/sa/b", "td2/ns/a/sa/b", "*.td/ns/a/sa/b"]);
    }

    #[test]
    fn principals_with_the_scheme_fit_nobody() {
        let fits =
            |value: &str| is_principal(&principals(&[value.into()], &domains(&["td"])), "td/ns/a/sa/b");
        assert!(fits("*") && fits("td/ns/a/*") && fits("*/sa/b") && fits("cluster.local/ns/a/sa/b"));
        assert!(!fits("spiffe://td/ns/a/sa/b") && !fits("*spiffe://td/ns/a/sa/b") && !fits(""));
    }

    #[test]
    fn accounts_and_namespaces_are_found_in_odd_identities() {
        let account = |identity: &str| Account::new("b", "a").fits(identity);
        for one in ["td/ns/a/sa/b", "x/y/ns/a/sa/b", "td/ns/a/z/sa/b", "td/ns/a/sa/b/c", "td/ns/a/sa/bb/sa/b"]
        {
            assert!(account(one), "{one}");
        }
        for other in ["/ns/a/sa/b", "td/ns/a/sa/bb", "td/ns/a/xsa/b", "td/ns/b/sa/b", "td/ns/a/sa/b/", "td"] {
            assert!(!account(other), "{other}");
        }
        let namespace =
            |value: &str, identity: &str| namespaces(&[value.into()]).iter().any(|g| g.fits(identity));
        assert!(namespace("*", "td/ns/a/sa/b") && namespace("a*c", "td/ns/abc/sa/b"));
        assert!(!namespace("*", "td/workload/api") && !namespace("a", "td/ns/ab/sa/b"));
    }

    #[test]
    fn trust_domains_do_not_cross_slashes() {
        let fits = |value: &str, identity: &str| {
            is_of_trust_domain(&trust_domains(&[value.into()], &domains(&["td1", "td2"])), identity)
        };
        assert!(
            fits("td1", "td2/ns/a/sa/b") && fits("*", "x/y") && fits("*.local", "cluster.local/ns/a/sa/b")
        );
        assert!(!fits("td", "td1/ns/a/sa/b") && !fits("*b", "td1/ns/a/sa/b") && !fits("td1*a", "td1/ns/a"));
    }
}
