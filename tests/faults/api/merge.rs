//! Merge patches and server-side apply on JSON.

use serde_json::Value;

/// RFC 7386.
pub fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    for (key, value) in patch {
        if value.is_null() {
            if let Some(object) = target.as_object_mut() {
                object.remove(key);
            }
        } else {
            merge(&mut target[key], value);
        }
    }
}

/// What the manager applied before and leaves out now goes; what it applies now is set. Lists are taken as a whole:
/// nobody but the controller writes into those it applies.
pub fn apply(live: &mut Value, before: Option<&Value>, now: &Value) {
    if let Some(before) = before {
        drop_left_out(live, before, now);
    }
    set(live, now);
}

fn drop_left_out(live: &mut Value, before: &Value, now: &Value) {
    let (Some(live), Some(before)) = (live.as_object_mut(), before.as_object()) else { return };
    for (key, old) in before {
        match (live.get_mut(key), now.get(key)) {
            (Some(value), Some(new)) if old.is_object() => drop_left_out(value, old, new),
            (Some(_), None) => drop(live.remove(key)),
            _ => (),
        }
    }
}

fn set(live: &mut Value, now: &Value) {
    let Value::Object(now) = now else {
        *live = now.clone();
        return;
    };
    if !live.is_object() {
        *live = Value::Object(serde_json::Map::new());
    }
    for (key, value) in now {
        // To apply null is to apply nothing there.
        if !value.is_null() {
            set(&mut live[key], value);
        }
    }
}
