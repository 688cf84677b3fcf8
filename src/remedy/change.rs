//! From an object as it was written to the merge patch that changes it.

use serde_json::{Map, Value};

use crate::model::Object;

/// An object as it was written, to be changed.
pub(super) fn to_change(object: &Object) -> Option<Value> {
    object.json.as_deref().cloned()
}

/// The smallest merge patch (RFC 7386) that turns `before` into `after`: lists whole, `null` for what goes. `None`
/// where nothing differs.
pub(super) fn merge_diff(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else { return Some(after.clone()) };
    let mut patch = Map::new();
    for (key, value) in new {
        match old.get(key) {
            Some(known) => {
                if let Some(change) = merge_diff(known, value) {
                    patch.insert(key.clone(), change);
                }
            }
            None => drop(patch.insert(key.clone(), value.clone())),
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    Some(Value::Object(patch))
}

/// The JSON pointer of a field path such as `spec.subsets[0].trafficPolicy`.
pub(super) fn pointer_of(path: &str) -> String {
    format!("/{}", path.replace(['[', '.'], "/").replace(']', ""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_names_only_what_differs_and_brings_lists_whole() {
        let before = json!({"spec": {"host": "a", "tls": {"mode": "DISABLE", "sni": "x"}, "list": [1, 2]}});
        let after = json!({"spec": {"host": "a", "tls": {"mode": "ISTIO_MUTUAL"}, "list": [1, 3]}});
        let patch = merge_diff(&before, &after).unwrap();
        assert_eq!(patch, json!({"spec": {"tls": {"mode": "ISTIO_MUTUAL", "sni": null}, "list": [1, 3]}}));
        let mut patched = before;
        json_patch::merge(&mut patched, &patch);
        assert_eq!(patched, after);
    }

    #[test]
    fn paths_become_pointers() {
        assert_eq!(pointer_of("spec.subsets[0].trafficPolicy.tls"), "/spec/subsets/0/trafficPolicy/tls");
    }
}
