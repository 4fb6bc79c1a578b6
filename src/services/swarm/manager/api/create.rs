//! A new container, on the engine that the scheduler chooses or on another where that one refuses.
//!
//! Responsible for a container that is made once: it is tried elsewhere only after an engine answered that it did not make it. One
//! that broke off may have.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::Value;

use super::answer::{Answer, Refused, whole};
use super::containers::refresh;
use super::proxy::{ask, read};
use super::route::Route;
use crate::random;
use crate::swarm::log::log;
use crate::swarm::manager::cluster::{Cluster, ScheduleError};
use crate::swarm::manager::scheduler::Request as Wanted;

/// Makes a container.
pub(super) async fn create(cluster: &Cluster, route: &Route, request: Request<Incoming>) -> Result<Answer, Refused> {
    let (head, body) = request.into_parts();
    let mut wanted = Wanted::parse(route.value("name").as_deref(), &read(body).await?)?;
    let id = random::hex::<32>().map_err(|error| Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    wanted.ensure_swarm_id(|| id);
    let mut creation = Creation {
        cluster,
        route,
        headers: &head.headers,
        refused_by: Vec::new(),
    };
    let answer = creation.wherever_it_goes(wanted).await?;
    Ok(whole(answer.status(), answer.into_body().to_vec()))
}

/// One client's wish, and where it was refused.
#[derive(Debug)]
struct Creation<'a> {
    cluster: &'a Cluster,
    route: &'a Route,
    headers: &'a HeaderMap,
    /// The addresses of the engines that are not asked again.
    refused_by: Vec<String>,
}

impl Creation<'_> {
    /// Tries the engine that suits best, then those that have the image, then as many others as `swarm.createretry` says.
    async fn wherever_it_goes(&mut self, wanted: Wanted) -> Result<Response<Bytes>, Refused> {
        let mut answer = self.on_the_best(wanted.clone()).await??;
        let mut retries = self.cluster.options().create_retries;
        // An image that was built on one engine is on no other: where only some have it, it goes there.
        if answer.status() == StatusCode::NOT_FOUND && self.is_somewhere(&wanted.image) {
            let where_it_is = wanted.clone().with_image_affinity(&wanted.image)?;
            retries = retries.saturating_sub(1);
            if let Ok(Ok(other)) = self.on_the_best(where_it_is).await {
                answer = other;
            }
        }
        while retries > 0 && may_do_better_elsewhere(answer.status()) {
            retries -= 1;
            let said = String::from_utf8_lossy(answer.body()).into_owned();
            let message = format!("Failed to create container: {}, retrying", said.trim());
            log("warning", &message, &[("Name", "Swarm")]);
            // Where no other engine will do, what the last one said tells more.
            let Ok(other) = self.on_the_best(wanted.clone()).await else {
                break;
            };
            answer = other?;
        }
        Ok(answer)
    }

    fn is_somewhere(&self, image: &str) -> bool {
        let images = self.cluster.images();
        images.iter().any(|placed| placed.item.facts.is_called(image))
    }

    /// Asks the engine that suits best of those that did not refuse yet; the outer error is that there is none.
    async fn on_the_best(&mut self, wanted: Wanted) -> Result<Result<Response<Bytes>, Refused>, ScheduleError> {
        let reservation = self.cluster.schedule(wanted, &self.refused_by)?;
        let engine = Arc::clone(reservation.engine());
        let name = self.route.value("name");
        let name = name.map(|name| name.trim_start_matches('/').to_owned());
        let query = self.route.query_with(&[("name", name.filter(|name| !name.is_empty()))]);
        let asked = (Method::POST, "/containers/create", query.as_str());
        let answer = match ask(&engine, self.route, asked, self.headers, reservation.body()).await {
            Ok(answer) => answer,
            Err(refused) => return Ok(Err(refused)),
        };
        if !answer.status().is_success() {
            self.refused_by.push(engine.addr().to_owned());
        } else if let Ok(made) = serde_json::from_slice::<Value>(answer.body())
            && let Some(id) = made["Id"].as_str()
        {
            // The reservation goes when the picture has the container.
            refresh(&engine, id).await;
        }
        Ok(Ok(answer))
    }
}

/// A request that one engine cannot understand no other does.
fn may_do_better_elsewhere(status: StatusCode) -> bool {
    !status.is_success() && status != StatusCode::BAD_REQUEST
}
