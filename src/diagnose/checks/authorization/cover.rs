//! Which texts a value of a policy can match, as far as two values tell by themselves: whether one matches all that
//! another does, whether there is nothing that both match, and whether there is anything at all (P1, I2 to I7, H2, J1).

use crate::resolve::authorize::address::{Block, port};
use crate::resolve::authorize::pattern::{Glob, Pattern};
use crate::resolve::authorize::template::is_template;

/// Whether all that `inner` matches is matched by `outer` (P1).
fn text_covers(outer: &str, inner: &str) -> bool {
    match (Pattern::new(outer), Pattern::new(inner)) {
        (Pattern::Any, _) => true,
        (Pattern::Exact(one), Pattern::Exact(other)) => one == other,
        (Pattern::Prefix(one), Pattern::Exact(other) | Pattern::Prefix(other)) => other.starts_with(&*one),
        (Pattern::Suffix(one), Pattern::Exact(other) | Pattern::Suffix(other)) => other.ends_with(&*one),
        (Pattern::Exact(_) | Pattern::Prefix(_) | Pattern::Suffix(_), _) => false,
    }
}

/// Whether there is no text that both match (P1).
fn texts_disjoint(one: &str, other: &str) -> bool {
    match (Pattern::new(one), Pattern::new(other)) {
        (Pattern::Exact(one), Pattern::Exact(other)) => one != other,
        (Pattern::Prefix(start), Pattern::Exact(text)) | (Pattern::Exact(text), Pattern::Prefix(start)) => {
            !text.starts_with(&*start)
        }
        (Pattern::Suffix(end), Pattern::Exact(text)) | (Pattern::Exact(text), Pattern::Suffix(end)) => {
            !text.ends_with(&*end)
        }
        (Pattern::Prefix(one), Pattern::Prefix(other)) => {
            !one.starts_with(&*other) && !other.starts_with(&*one)
        }
        (Pattern::Suffix(one), Pattern::Suffix(other)) => !one.ends_with(&*other) && !other.ends_with(&*one),
        (Pattern::Any, _)
        | (_, Pattern::Any)
        | (Pattern::Prefix(_), Pattern::Suffix(_))
        | (Pattern::Suffix(_), Pattern::Prefix(_)) => false,
    }
}

fn is_of_addresses(field: &str) -> bool {
    ["ipBlocks", "remoteIpBlocks", "destination.ip"].contains(&field)
}

/// `NAMESPACE/ACCOUNT` of a service account (I4).
pub(super) fn account<'a>(value: &'a str, namespace: &'a str) -> (&'a str, &'a str) {
    value.split_once('/').unwrap_or((namespace, value))
}

/// The namespace and account of a principal that names one identity.
pub(super) fn identity(principal: &str) -> Option<(&str, &str)> {
    let mut parts = principal.split('/');
    let of = [parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let [domain, "ns", namespace, "sa", account] = of else { return None };
    let is_one = parts.next().is_none() && !principal.contains('*');
    (is_one && !domain.is_empty() && !namespace.is_empty() && !account.is_empty())
        .then_some((namespace, account))
}

/// Whether all that `inner` matches is matched by `outer`, both of one field of a policy in `namespace`. Where that is
/// not sure, it is not said.
pub(super) fn covers(field: &str, outer: &str, inner: &str, namespace: &str) -> bool {
    match field {
        "hosts" => text_covers(&outer.to_ascii_lowercase(), &inner.to_ascii_lowercase()),
        "paths" => outer == inner || !is_template(outer) && !is_template(inner) && text_covers(outer, inner),
        "principals" => {
            // Both become names of all trust domains of the mesh in the same way, or neither does (I6).
            let alike = |value: &str| value.split('/').count() == 5;
            let domain = |value: &str| value.split('/').next().map(str::to_owned);
            let same = domain(outer) == domain(inner) && alike(outer) == alike(inner);
            outer == inner || outer == "*" || same && outer.contains('/') && text_covers(outer, inner)
        }
        "namespaces" => {
            outer == inner || outer == "*" || !inner.contains('*') && Glob::new(outer).fits(inner)
        }
        "serviceAccounts" => account(outer, namespace) == account(inner, namespace),
        "trustDomains" => outer == inner || outer == "*",
        "requestPrincipals" => {
            let whole = inner.contains(['/', '*']) && !inner.starts_with('/') && !inner.ends_with('/');
            outer == inner || outer == "*" && whole
        }
        "ports" => port(outer).zip(port(inner)).is_some_and(|(one, other)| one == other),
        field if is_of_addresses(field) => {
            Block::parse(outer).zip(Block::parse(inner)).is_some_and(|(outer, inner)| outer.covers(inner))
        }
        field if field.starts_with("experimental.") => outer == inner,
        _ => text_covers(outer, inner),
    }
}

/// Whether nothing matches both values of one field, of which a request has one value only.
pub(super) fn disjoint(field: &str, one: &str, other: &str, namespace: &str) -> bool {
    let plain = || !one.contains('*') && !other.contains('*') && one != other;
    match field {
        "principals" => identity(one).zip(identity(other)).is_some_and(|(one, other)| one != other),
        "namespaces" | "requestPrincipals" => plain(),
        "serviceAccounts" => account(one, namespace) != account(other, namespace),
        "ports" => port(one).zip(port(other)).is_some_and(|(one, other)| one != other),
        "connection.sni" => texts_disjoint(one, other),
        field if is_of_addresses(field) => {
            let blocks = Block::parse(one).zip(Block::parse(other));
            blocks.is_some_and(|(one, other)| !one.covers(other) && !other.covers(one))
        }
        // Headers and claims can have several values at once (H8, J2).
        _ => false,
    }
}

/// Why nothing at all matches a value of a field.
pub(super) fn never(field: &str, value: &str) -> Option<&'static str> {
    match field {
        "principals" if value.trim_start_matches('*').starts_with("spiffe://") => {
            Some("principals are written without spiffe://")
        }
        "paths" if value.contains(['?', '#']) => Some("paths are compared without query and fragment"),
        // A template without slash is one that Envoy refuses (H10).
        "paths" if !value.starts_with(['/', '*']) && !is_template(value) => {
            Some("every path begins with a slash")
        }
        "connection.sni" if value.contains(|one: char| one.is_ascii_uppercase()) => {
            Some("server names are compared in lower case")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_covers_another_where_it_matches_all_of_it() {
        for (field, outer, inner) in [
            ("paths", "*", "/a"),
            ("paths", "/a*", "/a/b*"),
            ("paths", "/a/{*}", "/a/{*}"),
            ("methods", "*ET", "GET"),
            ("hosts", "*.Example.com", "a.example.COM"),
            ("principals", "cluster.local/ns/a/*", "cluster.local/ns/a/s*"),
            ("principals", "*", "x/ns/a/sa/b"),
            ("namespaces", "te*-x", "test-x"),
            ("serviceAccounts", "b", "shop/b"),
            ("ports", "080", "80"),
            ("ipBlocks", "10.0.0.0/8", "10.1.1.1"),
            ("remoteIpBlocks", "0.0.0.0/0", "10.0.0.0/8"),
            ("requestPrincipals", "*", "iss/sub"),
            ("request.headers[a]", "*", "b*"),
        ] {
            assert!(covers(field, outer, inner, "shop"), "{field} {outer} {inner}");
        }
        for (field, outer, inner) in [
            ("paths", "/a", "/a*"),
            ("paths", "/a/*", "/a/{*}"),
            ("paths", "/a*", "*b"),
            ("methods", "get", "GET"),
            // In a mesh whose trust domain has another name the second one is that name's.
            ("principals", "cluster.lo*", "cluster.local/ns/a/sa/b"),
            ("principals", "*/sa/b", "cluster.local/ns/a/sa/b"),
            ("namespaces", "a*", "*"),
            ("serviceAccounts", "web/b", "b"),
            ("ipBlocks", "10.1.0.0/16", "10.0.0.0/8"),
            ("ipBlocks", "::/0", "10.0.0.1"),
            ("ipBlocks", "odd", "odd"),
            ("requestPrincipals", "*", "issuer"),
        ] {
            assert!(!covers(field, outer, inner, "shop"), "{field} {outer} {inner}");
        }
    }

    #[test]
    fn two_values_exclude_each_other_where_nothing_is_both() {
        for (field, one, other) in [
            ("principals", "a/ns/x/sa/y", "a/ns/x/sa/z"),
            ("namespaces", "a", "b"),
            ("ports", "80", "81"),
            ("ipBlocks", "10.0.0.0/8", "192.168.1.1"),
            ("ipBlocks", "10.0.0.0/8", "::1"),
            ("connection.sni", "a.com", "*.b.com"),
        ] {
            assert!(disjoint(field, one, other, "shop"), "{field}");
        }
        for (field, one, other) in [
            ("principals", "a/ns/x/sa/y", "b/ns/x/sa/y"),
            ("principals", "a/ns/x/*", "a/ns/y/sa/z"),
            ("namespaces", "a*", "b"),
            ("ports", "80", "080"),
            ("ipBlocks", "10.0.0.0/8", "10.1.1.1"),
            ("connection.sni", "a*", "*b"),
            ("request.headers[a]", "x", "y"),
            ("request.auth.claims[a]", "x", "y"),
        ] {
            assert!(!disjoint(field, one, other, "shop"), "{field} {one} {other}");
        }
    }

    #[test]
    fn a_value_that_nothing_matches_is_told() {
        for (field, value) in [
            ("principals", "spiffe://td/ns/a/sa/b"),
            ("principals", "*spiffe://td"),
            ("paths", "admin"),
            ("paths", "admin/*"),
            ("paths", "/a?b=c"),
            ("connection.sni", "Example.com"),
        ] {
            assert!(never(field, value).is_some(), "{value}");
        }
        for (field, value) in [
            ("principals", "td/ns/a/sa/b"),
            ("paths", "/admin"),
            ("paths", "*admin"),
            ("paths", "*"),
            ("paths", "a/{*}"),
            ("connection.sni", "example.com"),
            ("methods", "get"),
            ("hosts", "Example.com"),
        ] {
            assert!(never(field, value).is_none(), "{value}");
        }
    }
}
