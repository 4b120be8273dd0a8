//! Speaks to the admin API of the running server.

use anyhow::{Context, bail};
use offhook_gateway::iso8601;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use super::arguments::Server;

/// The admin API.
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    /// Of the server that the arguments name.
    pub fn new(server: &Server) -> anyhow::Result<Self> {
        let config = crate::read(&server.file)?;
        let base = server.admin.clone().unwrap_or_else(|| {
            let mut listen = config.admin.listen;
            if listen.ip().is_unspecified() {
                listen.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
            }
            format!("http://{listen}")
        });
        let base = base.trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, base, token: config.admin.token.0 })
    }

    /// A request to a path made of these parts, each of which may hold any character.
    pub fn request(&self, method: Method, parts: &[&str]) -> anyhow::Result<RequestBuilder> {
        let mut url: reqwest::Url = self.base.parse().context("--admin")?;
        let path = url.path_segments_mut();
        path.map_err(|()| anyhow::anyhow!("--admin: not a URL"))?.pop_if_empty().extend(parts);
        let request = self.http.request(method, url);
        Ok(if self.token.is_empty() { request } else { request.bearer_auth(&self.token) })
    }

    /// The answer to a request; `Null` where there is none.
    pub async fn send(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let text = self.text(request).await?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).context("the server's answer is no JSON")
    }

    /// The answer to a request, as text.
    pub async fn text(&self, request: RequestBuilder) -> anyhow::Result<String> {
        let answer = request.send().await;
        let answer = answer.with_context(|| format!("no server answers at {}", self.base))?;
        let status = answer.status();
        let text = answer.text().await.context("the server's answer broke off")?;
        if status.is_success() {
            return Ok(text);
        }
        bail!("{}", explain(status, &text))
    }
}

/// What a problem says: its detail, then each field or row.
fn explain(status: StatusCode, text: &str) -> String {
    let problem: Value = serde_json::from_str(text).unwrap_or_default();
    let Some(detail) = problem["detail"].as_str() else {
        return format!("the server answered {status}");
    };
    let mut said = detail.to_owned();
    let errors = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    for wrong in errors.iter().filter(|wrong| wrong["line"].is_u64()) {
        let (line, why) = (&wrong["line"], wrong["why"].as_str().unwrap_or_default());
        match wrong["field"].as_str().unwrap_or_default() {
            "" => said.push_str(&format!("\n  line {line}: {why}")),
            column => said.push_str(&format!("\n  line {line}, {column}: {why}")),
        }
    }
    said
}

/// A setting `key=value` as JSON: numbers, booleans and lists as themselves, all else as text.
pub fn settings(set: &[String]) -> anyhow::Result<serde_json::Map<String, Value>> {
    let read = |setting: &String| {
        let (key, value) =
            setting.split_once('=').with_context(|| format!("--set {setting}: write KEY=VALUE"))?;
        if value.starts_with('@') {
            return Ok((key.to_owned(), Value::String(from_file(value)?)));
        }
        let text = TEXTS.contains(&key);
        let json =
            serde_json::from_str(value).ok().filter(|json: &Value| !json.is_object() && !text);
        Ok((key.to_owned(), json.unwrap_or_else(|| value.into())))
    };
    set.iter().map(read).collect()
}

/// Settings that are text even where that is all digits: names, secrets, and money, which is never a
/// floating number.
const TEXTS: [&str; 9] = [
    "username",
    "password",
    "challenge_username",
    "challenge_password",
    "domain",
    "numbers",
    "margin",
    "limit",
    "newcomer_limit",
];

/// `@FILE` as what is in the file, without the end of its line; all else as it is.
pub fn from_file(text: &str) -> anyhow::Result<String> {
    let Some(path) = text.strip_prefix('@') else { return Ok(text.to_owned()) };
    let read = std::fs::read_to_string(path).with_context(|| path.to_owned())?;
    Ok(read.trim_end_matches(['\r', '\n']).to_owned())
}

/// An instant as the API wants it.
pub fn instant(argument: &str, text: Option<&String>) -> anyhow::Result<Option<String>> {
    let read = |text: &String| {
        iso8601::read(text).map(iso8601::show).with_context(|| {
            format!("{argument}: a date, or a date and time, such as 2026-03-01T06:00Z")
        })
    };
    text.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_keep_their_type() {
        let set = ["channels=30", "proxy=sip:h", "codecs=[\"pcma\"]", "emergency=true", "a=b=c"];
        let read = settings(&set.map(str::to_owned)).unwrap();
        let expect = json!({"channels": 30, "proxy": "sip:h", "codecs": ["pcma"],
            "emergency": true, "a": "b=c"});
        assert_eq!(Value::Object(read), expect);
        assert!(settings(&["channels".to_owned()]).is_err());
        let texts = ["username=12345", "password=1e5", "margin=0.001", "limit=600"];
        let read = settings(&texts.map(str::to_owned)).unwrap();
        let expect =
            json!({"username": "12345", "password": "1e5", "margin": "0.001", "limit": "600"});
        assert_eq!(Value::Object(read), expect);
    }

    #[test]
    fn every_bad_row_is_said() {
        let problem = json!({"detail": "2 rows", "errors": [
            {"line": 2, "field": "prefix", "why": "not a prefix"}, {"line": 9, "field": "", "why": "short"},
        ]});
        let said = explain(StatusCode::UNPROCESSABLE_ENTITY, &problem.to_string());
        assert_eq!(said, "2 rows\n  line 2, prefix: not a prefix\n  line 9: short");
        assert!(explain(StatusCode::BAD_GATEWAY, "<html>").contains("502"));
    }
}
