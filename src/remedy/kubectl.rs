//! The commands that apply a remedy. They are pasted into a shell, and names come from whoever wrote the objects.

use serde_json::Value;

use crate::model::ObjectId;

/// The command for a merge patch.
pub(super) fn patch(id: &ObjectId, patch: &Value) -> String {
    let kind = id.kind.name().to_ascii_lowercase();
    let (name, namespace) = (shell(&id.name), shell(&id.namespace));
    format!("kubectl patch {kind} {name} -n {namespace} --type merge -p {}", shell(&patch.to_string()))
}

/// The command that makes a new object.
pub(super) fn create(manifest: &Value) -> String {
    format!("printf '%s' {} | kubectl create -f -", shell(&manifest.to_string()))
}

/// The command that removes an object.
pub(super) fn delete(id: &ObjectId) -> String {
    let kind = id.kind.name().to_ascii_lowercase();
    format!("kubectl delete {kind} {} -n {}", shell(&id.name), shell(&id.namespace))
}

/// The command that makes the pods of a workload anew.
pub(super) fn restart(kind: &str, name: &str, namespace: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    format!("kubectl rollout restart {kind}/{} -n {}", shell(name), shell(namespace))
}

/// A word of a shell command.
fn shell(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    #[test]
    fn words_cannot_leave_their_quotes() {
        assert_eq!(shell("reviews-v1"), "reviews-v1");
        assert_eq!(shell("a'; rm -rf /'"), r"'a'\''; rm -rf /'\'''");
        assert_eq!(shell(""), "''");
        let id = ObjectId::new(Kind::DestinationRule, "shop", "$(x)");
        assert_eq!(delete(&id), "kubectl delete destinationrule '$(x)' -n shop");
    }
}
