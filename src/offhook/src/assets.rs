//! The web app, built by Vite into src/web/dist and embedded at compile time (read from disk in development builds).

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Dist;

/// Scripts and styles from ourselves only; connections to any server that a call's grant may name.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; \
    media-src 'self' blob: mediastream:; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; \
    object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Serves the app for every path that no door has.
pub fn routes() -> Router {
    Router::new().fallback(serve)
}

async fn serve(request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    match Dist::get(if path.is_empty() { "index.html" } else { path }) {
        Some(file) => respond(path, file),
        // A page of the app that was reloaded; a missing file stays missing.
        None if !path.contains('.') => match Dist::get("index.html") {
            Some(file) => respond("index.html", file),
            None => (StatusCode::NOT_FOUND, "the web app is not in this build: run `make web`")
                .into_response(),
        },
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn respond(path: &str, file: EmbeddedFile) -> Response {
    // Vite puts a hash of the content into the names below assets/.
    let caching = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let mut response = Response::new(Body::from(file.data.into_owned()));
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(file.metadata.mimetype()) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        "permissions-policy",
        HeaderValue::from_static(
            "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self)",
        ),
    );
    response
}
