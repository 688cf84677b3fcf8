//! The commands that apply a remedy. They are pasted into a shell, and names come from whoever wrote the objects: there
//! is no command for a name that Kubernetes does not take.

use serde_json::Value;

use crate::model::ObjectId;
use crate::text::visible_json;

/// The command for a merge patch.
pub(super) fn patch(id: &ObjectId, patch: &Value) -> Option<String> {
    let kind = id.kind.name().to_ascii_lowercase();
    let (name, namespace) = (name(&id.name)?, name(&id.namespace)?);
    Some(format!("kubectl patch {kind} {name} -n {namespace} --type merge -p {}", json(patch)))
}

/// The command that makes a new object.
pub(super) fn create(manifest: &Value) -> String {
    format!("printf '%s' {} | kubectl create -f -", json(manifest))
}

/// The command that removes an object.
pub(super) fn delete(id: &ObjectId) -> Option<String> {
    let kind = id.kind.name().to_ascii_lowercase();
    Some(format!("kubectl delete {kind} {} -n {}", name(&id.name)?, name(&id.namespace)?))
}

/// The command that makes the pods of a workload anew.
pub(super) fn restart(kind: &str, workload: &str, namespace: &str) -> Option<String> {
    let kind = kind.to_ascii_lowercase();
    Some(format!("kubectl rollout restart {kind}/{} -n {}", name(workload)?, name(namespace)?))
}

/// A name as Kubernetes takes it: a DNS subdomain (RFC 1123). A shell sees nothing in it.
fn name(name: &str) -> Option<&str> {
    let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let begins_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    (begins_well && name.len() <= 253 && name.bytes().all(is_known)).then_some(name)
}

/// JSON as a word of a shell command, with everything written out that a terminal would act on.
fn json(value: &Value) -> String {
    format!("'{}'", visible_json(&value.to_string()).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    #[test]
    fn words_cannot_leave_their_quotes() {
        assert_eq!(json(&"a'; rm -rf /'".into()), r#"'"a'\''; rm -rf /'\''"'"#);
        assert_eq!(json(&"a\u{202e}b\u{1b}".into()), r#"'"a\u202eb\u001b"'"#);
    }

    #[test]
    fn a_name_that_kubernetes_refuses_is_in_no_command() {
        let id = |name: &str| ObjectId::new(Kind::DestinationRule, "shop", name);
        let whole = "kubectl delete destinationrule reviews-v1.x -n shop";
        assert_eq!(delete(&id("reviews-v1.x")).as_deref(), Some(whole));
        for bad in ["", "$(x)", "-n", "a b", "A", "a\u{202e}b", "a'"] {
            assert_eq!(delete(&id(bad)), None, "{bad}");
            assert_eq!(patch(&id(bad), &Value::Null), None, "{bad}");
        }
    }
}
