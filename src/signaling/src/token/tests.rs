use super::*;

fn keys() -> Keys {
    Keys::new([("devkey".into(), "a secret that is long enough for HS256".into())])
}

fn claims() -> Claims {
    Claims {
        iss: "devkey".into(),
        exp: now() + 600,
        nbf: now().saturating_sub(5),
        ..Claims::join("cellar", "ann")
    }
}

fn sign(algorithm: Algorithm, claims: &Claims, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
}

const SECRET: &str = "a secret that is long enough for HS256";

/// A token is what `change` makes of good claims; the verdict covers joining the room `cellar`.
fn check(name: &str, change: impl FnOnce(&mut Claims), expect: Result<(), TokenError>) {
    let mut claims = claims();
    change(&mut claims);
    let token = sign(Algorithm::HS256, &claims, SECRET);
    let verdict = keys().verify(&token).and_then(|c| c.grant(Some("cellar"))).map(|_| ());
    assert_eq!(verdict, expect, "{name}");
}

#[test]
fn claims_decide() {
    check("as it should be", |_| (), Ok(()));
    check("expired", |c| c.exp = now() - 1, Err(TokenError::Expired));
    check("expires now", |c| c.exp = now(), Err(TokenError::Expired));
    check("no expiry", |c| c.exp = 0, Err(TokenError::Expired));
    check("not yet", |c| c.nbf = now() + 3600, Err(TokenError::NotYet));
    check("issuer's clock a little ahead", |c| c.nbf = now() + 5, Ok(()));
    check("unknown key", |c| c.iss = "other".into(), Err(TokenError::UnknownKey));
    check("no key", |c| c.iss.clear(), Err(TokenError::UnknownKey));
    check("other room", |c| c.video.room = "attic".into(), Err(TokenError::OtherRoom));
    check("no room", |c| c.video.room.clear(), Err(TokenError::NoGrant));
    check("may not join", |c| c.video.room_join = false, Err(TokenError::NoGrant));
    check("nobody", |c| c.sub.clear(), Err(TokenError::NoIdentity));
}

#[test]
fn only_hs256_with_the_right_secret_is_accepted() {
    let good = sign(Algorithm::HS256, &claims(), SECRET);
    assert!(keys().verify(&good).is_ok());
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = sign(algorithm, &claims(), SECRET);
        assert_eq!(keys().verify(&token), Err(TokenError::Invalid), "{algorithm:?}");
    }
    let forged = sign(Algorithm::HS256, &claims(), "another secret that is long enough too");
    assert_eq!(keys().verify(&forged), Err(TokenError::Invalid));
    for header in [r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"RS256","typ":"JWT"}"#] {
        let (_, rest) = good.split_once('.').unwrap();
        let (body, signature) = rest.split_once('.').unwrap();
        let header = URL_SAFE_NO_PAD.encode(header);
        for signature in [signature, ""] {
            let token = format!("{header}.{body}.{signature}");
            assert_eq!(keys().verify(&token), Err(TokenError::Invalid), "{token}");
        }
    }
    let stripped = good.rsplit_once('.').unwrap().0;
    for token in ["", "a.b.c", stripped, "....", "é.é.é"] {
        assert_eq!(keys().verify(token), Err(TokenError::Invalid), "{token}");
    }
}

#[test]
fn a_changed_body_is_refused() {
    let token = sign(Algorithm::HS256, &claims(), SECRET);
    let other = Claims { sub: "bob".into(), ..claims() };
    let other = sign(Algorithm::HS256, &other, SECRET);
    let parts: Vec<_> = token.split('.').collect();
    let body = other.split('.').nth(1).unwrap();
    let mixed = format!("{}.{body}.{}", parts[0], parts[2]);
    assert_eq!(keys().verify(&mixed), Err(TokenError::Invalid));
}

#[test]
fn a_minted_token_opens_its_room_only() {
    let minted = keys().mint(&Claims::join("cellar", "ann"), Duration::from_secs(60)).unwrap();
    let claims = keys().verify(&minted).unwrap();
    assert_eq!(claims.grant(None).unwrap().identity, "ann");
    assert_eq!(claims.grant(Some("attic")), Err(TokenError::OtherRoom));
    assert_eq!(claims.administers("cellar"), Err(TokenError::NoGrant));
    assert_eq!(claims.creates(), Err(TokenError::NoGrant));
    assert_eq!(claims.lists(), Err(TokenError::NoGrant));
    let nobody = Claims { iss: "other".into(), ..Claims::default() };
    assert_eq!(keys().mint(&nobody, Duration::from_secs(60)), Err(MintError::NoKey));
}

#[test]
fn grants_become_permissions() {
    let permission = |json: &str| serde_json::from_str::<VideoGrant>(json).unwrap().permission();
    assert_eq!(permission("{}"), Permission::default());
    assert!(!permission(r#"{"canPublish":false}"#).publish_data);
    assert!(permission(r#"{"canPublish":false,"canPublishData":true}"#).publish_data);
    let one = permission(r#"{"canPublish":true,"canPublishSources":["camera"],"hidden":true}"#);
    assert_eq!((one.publish, one.sources, one.hidden), (true, vec![Source::Camera], true));
    assert!(!permission(r#"{"canPublishSources":["hologram"]}"#).publish);
    assert!(permission(r#"{"canUpdateOwnMetadata":true}"#).update_metadata);
}

#[test]
fn an_administrator_of_one_room_is_none_of_another() {
    let video = VideoGrant { room: "cellar".into(), room_admin: true, ..VideoGrant::default() };
    let claims = Claims { video, ..Claims::default() };
    assert_eq!(claims.administers("cellar"), Ok(()));
    assert_eq!(claims.administers("attic"), Err(TokenError::OtherRoom));
    assert_eq!(claims.grant(None), Err(TokenError::NoGrant));
}
