//! WHIP (RFC 9725) to publish and WHEP (draft-ietf-wish-whep) to watch: one HTTP request and one peer connection
//! for each. A watcher offers a section for every track that others publish in its room.

use anyhow::{Context, Result, ensure};
use offhook_types::MediaKind;
use reqwest::{Url, header};
use tokio::time::Instant;

use super::{Leave, PATIENCE, Visitor, all_up, stay};
use crate::caller::description::{self, Offerer};
use crate::caller::leg::{Control, Leg};

/// Come, stay until it is time, go.
pub async fn visit(visitor: &mut Visitor<'_>, leave: &mut Leave) -> Result<()> {
    let began = Instant::now();
    let (mut legs, mut resources) = (Vec::new(), Vec::new());
    let opened = open(visitor, &mut legs, &mut resources).await;
    let ended = match opened {
        Ok(()) => {
            visitor.joined(began);
            stay(&mut legs, leave).await
        }
        Err(error) => Err(error),
    };
    for leg in legs {
        leg.close().await;
    }
    for resource in resources {
        let token = visitor.stage.target.token(&visitor.seat.room, &visitor.seat.identity);
        let request = visitor.stage.http.delete(resource).bearer_auth(token);
        let _ = request.timeout(PATIENCE).send().await;
    }
    ended
}

async fn open(
    visitor: &mut Visitor<'_>,
    legs: &mut Vec<Leg>,
    resources: &mut Vec<Url>,
) -> Result<()> {
    if !visitor.group.publish.is_empty() {
        let mut offerer = visitor.offerer();
        let outgoing = visitor.publish(&mut offerer);
        let leg = visitor.leg(&offerer, outgoing, None).await?;
        let endpoint = visitor.stage.target.whip.clone();
        legs.push(leg);
        exchange(visitor, &endpoint, &mut offerer, (legs, resources)).await.context("WHIP")?;
    }
    let wanted = [MediaKind::Audio, MediaKind::Video].map(|kind| {
        let watches = visitor.group.watches(kind);
        if watches { visitor.stage.scenario.tracks_for(visitor.group, kind) } else { 0 }
    });
    if wanted != [0, 0] {
        let mut offerer = visitor.offerer();
        offerer.receive(MediaKind::Audio, wanted[0]);
        offerer.receive(MediaKind::Video, wanted[1]);
        let leg = visitor.leg(&offerer, Vec::new(), None).await?;
        let endpoint = visitor.stage.target.whep.clone();
        legs.push(leg);
        exchange(visitor, &endpoint, &mut offerer, (legs, resources)).await.context("WHEP")?;
    }
    all_up(legs).await
}

/// Offer for the last of the legs, and hand it the answer.
async fn exchange(
    visitor: &Visitor<'_>,
    endpoint: &str,
    offerer: &mut Offerer,
    (legs, resources): (&mut [Leg], &mut Vec<Url>),
) -> Result<()> {
    let (stage, seat) = (visitor.stage, visitor.seat);
    let endpoint = endpoint.replace("{room}", &seat.room).replace("{identity}", &seat.identity);
    let request = stage
        .http
        .post(&endpoint)
        .bearer_auth(stage.target.token(&seat.room, &seat.identity))
        .header(header::CONTENT_TYPE, "application/sdp")
        .body(offerer.offer())
        .timeout(PATIENCE);
    let response = request.send().await?;
    let status = response.status();
    let location = response.headers().get(header::LOCATION).and_then(|l| l.to_str().ok());
    let location = location.map(|location| Url::parse(&endpoint)?.join(location)).transpose()?;
    let answer = response.text().await?;
    ensure!(status.as_u16() == 201, "answered {status}: {}", answer.trim());
    resources.extend(location);
    let agreed = description::read(&answer, visitor.group.wire)?;
    let wire = visitor.group.wire;
    let reachable = agreed.remote.as_ref().is_some_and(|remote| !remote.candidates.is_empty());
    ensure!(reachable, "the server has no {wire:?} candidate");
    if let Some(leg) = legs.last() {
        leg.control(Control::Agree(Box::new(agreed)));
    }
    Ok(())
}
