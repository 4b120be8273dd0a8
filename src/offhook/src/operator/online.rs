//! Commands that the running server carries out, through its admin API.

use std::process::ExitCode;

use anyhow::Context;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::arguments::{
    Account, AccountChange, CallerId, Cdrs, Deck, DeckImport, Fraud, Ladder, Money, Named, Number,
    Plan, Server, Trunk,
};
use super::client::{Client, from_file, instant, settings};
use super::table;

type Done = anyhow::Result<ExitCode>;

const ACCOUNTS: &[&str] = &[
    "id",
    "status",
    "plan",
    "booked_micros=booked",
    "reserved_micros=reserved",
    "credit_limit_micros=limit",
    "currency",
];

/// `offhook trunk`
pub async fn trunk(trunk: Trunk) -> Done {
    let columns =
        &["name", "enabled=on", "deck", "settings.proxy=proxy", "settings.channels=channels", "id"];
    match trunk {
        Trunk::List(server) => list(&server, &["v1", "trunks"], columns).await,
        Trunk::Put { name, deck, off, settings: set, server } => {
            let body = json!({ "deck": deck, "enabled": !off, "settings": settings(&set.set)? });
            put(&server, &["v1", "trunks", &name], &body).await
        }
        Trunk::Remove(named) => remove(&named, &["v1", "trunks"]).await,
    }
}

/// `offhook deck`
pub async fn deck(deck: Deck) -> Done {
    match deck {
        Deck::List(server) => {
            let columns =
                &["name", "version", "currency", "rows", "published_at=published", "hash"];
            list(&server, &["v1", "decks"], columns).await
        }
        Deck::Import(import) => import_deck(&import).await,
        Deck::Prune { keep, server } => {
            let client = Client::new(&server)?;
            let request = client.request(Method::DELETE, &["v1", "decks"])?;
            show(&server, &client.send(request.query(&[("keep", keep)])).await?)
        }
    }
}

async fn import_deck(import: &DeckImport) -> Done {
    let csv = std::fs::read(&import.csv);
    let csv = csv.with_context(|| import.csv.display().to_string())?;
    let client = Client::new(&import.server)?;
    let mut query = vec![
        ("currency", import.currency.clone()),
        ("tier", import.tier.clone()),
        ("first_increment_s", import.first_increment.to_string()),
        ("next_increment_s", import.next_increment.to_string()),
    ];
    if let Some(from) = instant("--from", import.from.as_ref())? {
        query.push(("from", from));
    }
    let request = client.request(Method::POST, &["v1", "decks", &import.name])?;
    let request = request.query(&query).header("content-type", "text/csv").body(csv);
    show(&import.server, &client.send(request).await?)
}

/// `offhook plan`
pub async fn plan(plan: Plan) -> Done {
    match plan {
        Plan::List(server) => {
            let columns = &[
                "name",
                "deck",
                "settings.tier=tier",
                "settings.margin=margin",
                "settings.channels=channels",
            ];
            list(&server, &["v1", "plans"], columns).await
        }
        Plan::Put { name, deck, settings: set, server } => {
            let body = json!({ "deck": deck, "settings": settings(&set.set)? });
            put(&server, &["v1", "plans", &name], &body).await
        }
        Plan::Remove(named) => remove(&named, &["v1", "plans"]).await,
    }
}

/// `offhook number`
pub async fn number(number: Number) -> Done {
    match number {
        Number::List(server) => {
            let columns = &["number", "user", "room", "pin", "account"];
            list(&server, &["v1", "numbers"], columns).await
        }
        Number::Put { number, user, room, pin, account, server } => {
            let pin = pin.as_deref().map(from_file).transpose()?;
            let body = json!({ "user": user, "room": room, "pin": pin, "account": account });
            put(&server, &["v1", "numbers", &number], &body).await
        }
        Number::Remove(named) => remove(&named, &["v1", "numbers"]).await,
    }
}

/// `offhook account`
pub async fn account(account: Account) -> Done {
    match account {
        Account::List(server) => accounts(&server).await,
        Account::Show(named) => {
            let client = Client::new(&named.server)?;
            let request = client.request(Method::GET, &["v1", "accounts", &named.name])?;
            show(&named.server, &client.send(request).await?)
        }
        Account::Change(change) => change_account(&change).await,
        Account::AddCallerId(wish) => caller_id(Method::PUT, &wish).await,
        Account::RemoveCallerId(wish) => caller_id(Method::DELETE, &wish).await,
        Account::TopUp(wish) => money("top_up", &wish).await,
        Account::Refund(wish) => money("refund", &wish).await,
        Account::Adjust(wish) => money("adjustment", &wish).await,
        Account::Statement(named) => {
            let path = ["v1", "accounts", &named.name, "transfers"];
            let columns = &["at", "purpose", "amount_micros=amount", "other", "cdr", "id"];
            list(&named.server, &path, columns).await
        }
    }
}

/// Every account, page by page.
async fn accounts(server: &Server) -> Done {
    let client = Client::new(server)?;
    let mut all: Vec<Value> = Vec::new();
    loop {
        let request = client.request(Method::GET, &["v1", "accounts"])?.query(&[("limit", 1000)]);
        let after = all.last().and_then(|account| account["id"].as_str());
        let request = with(request, "after", after);
        match client.send(request).await? {
            Value::Array(page) if !page.is_empty() => all.extend(page),
            _ => break,
        }
    }
    print(server, &Value::Array(all), ACCOUNTS)
}

async fn change_account(change: &AccountChange) -> Done {
    let AccountChange { plan, status, tier, credit_limit, country, note, .. } = change;
    let body = json!({
        "plan": plan, "status": status, "tier": tier, "credit_limit": credit_limit,
        "country": country, "note": note,
    });
    let client = Client::new(&change.server)?;
    let request = client.request(Method::PATCH, &["v1", "accounts", &change.name])?;
    show(&change.server, &client.send(request.json(&body)).await?)
}

async fn caller_id(method: Method, wish: &CallerId) -> Done {
    let client = Client::new(&wish.server)?;
    let path = ["v1", "accounts", &wish.name, "caller-ids", &wish.number];
    show(&wish.server, &client.send(client.request(method, &path)?).await?)
}

async fn money(kind: &str, wish: &Money) -> Done {
    let client = Client::new(&wish.server)?;
    let body = json!({
        "kind": kind, "amount": wish.amount, "reason": wish.reason, "cdr": wish.cdr,
    });
    let request = client.request(Method::POST, &["v1", "accounts", &wish.name, "transfers"])?;
    let request = request.header("idempotency-key", &wish.key).json(&body);
    show(&wish.server, &client.send(request).await?)
}

/// `offhook fraud`
pub async fn fraud(fraud: Fraud) -> Done {
    match fraud {
        Fraud::Rules(server) => {
            let columns = &[
                "name",
                "enabled=on",
                "settings.measure=measure",
                "settings.limit=limit",
                "settings.newcomer_limit=newcomer",
                "settings.tier=tier",
                "settings.action=action",
            ];
            list(&server, &["v1", "fraud", "rules"], columns).await
        }
        Fraud::Put { name, off, settings: set, server } => {
            let body = json!({ "enabled": !off, "settings": settings(&set.set)? });
            put(&server, &["v1", "fraud", "rules", &name], &body).await
        }
        Fraud::Remove(named) => remove(&named, &["v1", "fraud", "rules"]).await,
        Fraud::Decisions { account, server } => {
            let client = Client::new(&server)?;
            let request = client.request(Method::GET, &["v1", "fraud", "decisions"])?;
            let request = with(request, "account", account.as_deref());
            let columns =
                &["seq", "at", "account", "rule", "action", "reason", "target", "phone", "appeal"];
            print(&server, &client.send(request).await?, columns)
        }
        Fraud::Appeal { seq, note, server } => {
            let path = ["v1", "fraud", "decisions", &seq.to_string(), "appeal"];
            put(&server, &path, &json!({ "note": note })).await
        }
    }
}

/// `offhook cdr list`
pub async fn cdrs(asked: &Cdrs) -> Done {
    let client = Client::new(&asked.server)?;
    let request = client.request(Method::GET, &["v1", "cdrs"])?;
    let request = request.query(&[("limit", asked.limit.to_string())]);
    let request = request.query(&[("open", asked.open.to_string())]);
    let request = with(request, "account", asked.account.as_deref());
    let from = instant("--from", asked.from.as_ref())?;
    let until = instant("--until", asked.until.as_ref())?;
    let request = with(with(request, "from", from.as_deref()), "until", until.as_deref());
    let columns = &[
        "opened_at=opened",
        "direction",
        "destination",
        "talked_ms",
        "cause",
        "sell_amount_micros=charged",
        "buy_amount_micros=cost",
        "sell_currency=currency",
        "cdr_id",
    ];
    let mut page = client.send(request).await?;
    print(&asked.server, &page["cdrs"].take(), columns)
}

/// `offhook cdr show`
pub async fn cdr(named: &Named) -> Done {
    let client = Client::new(&named.server)?;
    let request = client.request(Method::GET, &["v1", "cdrs", &named.name])?;
    show(&named.server, &client.send(request).await?)
}

/// `offhook call ladder`
pub async fn ladder(asked: &Ladder) -> Done {
    let client = Client::new(&asked.server)?;
    let request = client.request(Method::GET, &["v1", "calls", &asked.id, "ladder"])?;
    let request = with(request, "numbers", asked.numbers.then_some("true"));
    print!("{}", client.text(request).await?);
    Ok(ExitCode::SUCCESS)
}

fn with(request: RequestBuilder, name: &str, value: Option<&str>) -> RequestBuilder {
    match value {
        Some(value) => request.query(&[(name, value)]),
        None => request,
    }
}

async fn list(server: &Server, path: &[&str], columns: &[&str]) -> Done {
    let client = Client::new(server)?;
    print(server, &client.send(client.request(Method::GET, path)?).await?, columns)
}

async fn put(server: &Server, path: &[&str], body: &Value) -> Done {
    let client = Client::new(server)?;
    show(server, &client.send(client.request(Method::PUT, path)?.json(body)).await?)
}

async fn remove(named: &Named, path: &[&str]) -> Done {
    let client = Client::new(&named.server)?;
    let path: Vec<&str> = path.iter().copied().chain([named.name.as_str()]).collect();
    client.send(client.request(Method::DELETE, &path)?).await?;
    Ok(ExitCode::SUCCESS)
}

fn print(server: &Server, answer: &Value, columns: &[&str]) -> Done {
    if server.json {
        println!("{}", serde_json::to_string_pretty(answer)?);
    } else {
        print!("{}", table::rows(answer, columns));
    }
    Ok(ExitCode::SUCCESS)
}

fn show(server: &Server, answer: &Value) -> Done {
    if server.json {
        println!("{}", serde_json::to_string_pretty(answer)?);
    } else {
        print!("{}", table::fields(answer));
    }
    Ok(ExitCode::SUCCESS)
}
