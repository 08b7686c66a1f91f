//! From an HTTP request to an answer, through whatever happens on the way.

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use futures::stream;
use kube::Client;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::request::{Asked, Sub, Verb};
use super::store::No;
use super::{NAMESPACE, watch, write};
use crate::weather::Fate;
use crate::world::{Shared, World, lock};

/// A client whose server is the world's store.
pub fn client(world: &Shared) -> Client {
    let world = world.clone();
    let router = Router::new().fallback(move |request: Request| serve(world.clone(), request));
    Client::new(router, NAMESPACE)
}

async fn serve(world: Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let Some(asked) = Asked::parse(&parts, &body) else {
        return no(&No::new(404, "NotFound", format!("this server does not know {} {}", parts.method, parts.uri)));
    };
    let sender = Arc::new(());
    // On a task of its own: what was sent is carried out even if the sender is gone by then.
    let answer = tokio::spawn(carry_out(world, asked, Arc::downgrade(&sender))).await;
    drop(sender);
    answer.unwrap_or_else(|_| broken())
}

async fn carry_out(world: Shared, asked: Asked, sender: Weak<()>) -> Response {
    let (fate, sent) = lock(&world).receive(&asked);
    pause(fate.before).await;
    if let Some(refusal) = &fate.refusal {
        lock(&world).note(|| format!("  {asked}: refused with {}", refusal.code));
        return no(refusal);
    }
    if let Verb::Watch { version, seconds } = asked.verb {
        return Response::new(Body::from_stream(watch::stream(&world, &asked, version, seconds)));
    }
    let (answer, scaled) = {
        let mut world = lock(&world);
        (world.answer(&asked, sent), world.judge.scaled.take())
    };
    pause(fate.after).await;
    if fate.lost {
        lock(&world).note(|| format!("  {asked}: its answer is lost"));
        return broken();
    }
    if let Some(pool) = scaled.filter(|_| sender.strong_count() > 0) {
        lock(&world).judge_scaled(&pool);
    }
    match answer {
        Ok(body) => Response::new(Body::from(body)),
        Err(refusal) => no(&refusal),
    }
}

async fn pause(milliseconds: u64) {
    if milliseconds > 0 {
        sleep(Duration::from_millis(milliseconds)).await;
    }
}

impl World {
    /// A request arrives.
    fn receive(&mut self, asked: &Asked) -> (Fate, u64) {
        let fate = self.weather.fate(asked, &mut self.net);
        let sent = self.now();
        self.judge_rights(asked);
        if asked.writes() {
            let replicas = asked.body["spec"]["replicas"].as_u64();
            self.note(|| format!("{asked}{}", replicas.map_or_else(String::new, |count| format!(" replicas={count}"))));
            self.judge_request(asked, sent);
        } else if !matches!(asked.verb, Verb::Watch { .. }) {
            self.note(|| format!("{asked}"));
        }
        (fate, sent)
    }

    fn answer(&mut self, asked: &Asked, sent: u64) -> Result<String, No> {
        match asked.verb {
            Verb::Get => {
                let object = self.store.get(asked.kind, &asked.name);
                let object = object.ok_or_else(|| No::not_found(asked.kind, &asked.name))?;
                Ok(if asked.sub == Sub::Scale {
                    write::scale(object).to_string()
                } else {
                    object.text(false).to_owned()
                })
            }
            Verb::List => {
                let found = self.store.all(asked.kind).filter(|object| asked.selector.matches(object));
                let items: Vec<&str> = found.map(|object| object.text(asked.slim)).collect();
                let (of, kind, version) = (asked.kind.api_version(), asked.kind.name(), self.store.version);
                let head =
                    format!(r#""apiVersion":"{of}","kind":"{kind}List","metadata":{{"resourceVersion":"{version}"}}"#);
                Ok(format!(r#"{{{head},"items":[{}]}}"#, items.join(",")))
            }
            _ => self.write(asked, sent).map(|object| object.text(false).to_owned()),
        }
    }
}

pub fn status(no: &No) -> Value {
    let causes: Vec<Value> =
        no.field.iter().map(|field| json!({ "field": field, "reason": "FieldValueInvalid" })).collect();
    json!({ "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": no.code,
        "reason": no.reason, "message": no.message, "details": { "causes": causes } })
}

fn no(no: &No) -> Response {
    let mut response = Response::new(Body::from(status(no).to_string()));
    *response.status_mut() = StatusCode::from_u16(no.code).unwrap();
    response
}

/// A connection that ends in the middle of an answer.
fn broken() -> Response {
    let ends = stream::iter([Err::<Vec<u8>, _>(std::io::Error::other("connection reset by peer"))]);
    Response::new(Body::from_stream(ends))
}
