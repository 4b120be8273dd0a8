//! Trunks, plans and fraud rules in SQLite.

use async_trait::async_trait;
use offhook_types::TrunkId;
use sqlx::sqlite::SqliteRow;

use super::rows::bits;
use super::{Field, Sqlite, explain, signed};
use crate::{Error, StoredPlan, StoredRule, StoredTrunk, Trunks};

fn read_trunk(row: &SqliteRow) -> Result<StoredTrunk, Error> {
    Ok(StoredTrunk {
        id: TrunkId(bits(row, "id")?),
        name: row.field("name")?,
        deck: row.field("deck")?,
        enabled: row.field("enabled")?,
        settings: row.field("settings")?,
    })
}

fn read_plan(row: &SqliteRow) -> Result<StoredPlan, Error> {
    Ok(StoredPlan {
        name: row.field("name")?,
        deck: row.field("deck")?,
        settings: row.field("settings")?,
    })
}

fn read_rule(row: &SqliteRow) -> Result<StoredRule, Error> {
    Ok(StoredRule {
        name: row.field("name")?,
        enabled: row.field("enabled")?,
        settings: row.field("settings")?,
    })
}

#[async_trait]
impl Trunks for Sqlite {
    async fn trunks(&self) -> Result<Vec<StoredTrunk>, Error> {
        let rows = sqlx::query("SELECT * FROM trunks ORDER BY name").fetch_all(&self.readers).await;
        rows.map_err(explain)?.iter().map(read_trunk).collect()
    }

    async fn put_trunk(&self, trunk: &StoredTrunk) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO trunks (id, name, deck, enabled, settings) VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, deck = excluded.deck, \
             enabled = excluded.enabled, settings = excluded.settings",
        )
        .bind(signed(trunk.id.0))
        .bind(&trunk.name)
        .bind(&trunk.deck)
        .bind(trunk.enabled)
        .bind(&trunk.settings)
        .execute(&self.writer)
        .await
        .map_err(explain)?;
        Ok(())
    }

    async fn remove_trunk(&self, id: TrunkId) -> Result<bool, Error> {
        let done = sqlx::query("DELETE FROM trunks WHERE id = ?")
            .bind(signed(id.0))
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(done.rows_affected() > 0)
    }

    async fn plans(&self) -> Result<Vec<StoredPlan>, Error> {
        let rows = sqlx::query("SELECT * FROM plans ORDER BY name").fetch_all(&self.readers).await;
        rows.map_err(explain)?.iter().map(read_plan).collect()
    }

    async fn put_plan(&self, plan: &StoredPlan) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO plans (name, deck, settings) VALUES (?, ?, ?) ON CONFLICT (name) \
             DO UPDATE SET deck = excluded.deck, settings = excluded.settings",
        )
        .bind(&plan.name)
        .bind(&plan.deck)
        .bind(&plan.settings)
        .execute(&self.writer)
        .await
        .map_err(explain)?;
        Ok(())
    }

    async fn remove_plan(&self, name: &str) -> Result<bool, Error> {
        let mut tx = self.write().await?;
        let used = sqlx::query("SELECT 1 FROM accounts WHERE plan = ? LIMIT 1")
            .bind(name)
            .fetch_optional(&mut *tx)
            .await
            .map_err(explain)?;
        if used.is_some() {
            return Err(Error::Conflict);
        }
        let done = sqlx::query("DELETE FROM plans WHERE name = ?")
            .bind(name)
            .execute(&mut *tx)
            .await
            .map_err(explain)?;
        tx.commit().await.map_err(explain)?;
        Ok(done.rows_affected() > 0)
    }

    async fn fraud_rules(&self) -> Result<Vec<StoredRule>, Error> {
        let rows =
            sqlx::query("SELECT * FROM fraud_rules ORDER BY name").fetch_all(&self.readers).await;
        rows.map_err(explain)?.iter().map(read_rule).collect()
    }

    async fn put_fraud_rule(&self, rule: &StoredRule) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO fraud_rules (name, enabled, settings) VALUES (?, ?, ?) \
             ON CONFLICT (name) DO UPDATE SET enabled = excluded.enabled, \
             settings = excluded.settings",
        )
        .bind(&rule.name)
        .bind(rule.enabled)
        .bind(&rule.settings)
        .execute(&self.writer)
        .await
        .map_err(explain)?;
        Ok(())
    }

    async fn remove_fraud_rule(&self, name: &str) -> Result<bool, Error> {
        let done = sqlx::query("DELETE FROM fraud_rules WHERE name = ?")
            .bind(name)
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(done.rows_affected() > 0)
    }
}
