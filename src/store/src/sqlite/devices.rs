//! Devices and token hashes in SQLite.

use async_trait::async_trait;
use offhook_types::{DeviceId, UserId, WallTime};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::users::read_user;
use super::{Field, Sqlite, explain, signed, unsigned};
use crate::{Bearer, Device, Devices, Error, NewDevice, Rotation, TokenHash, TokenPair};

const BEARER_BY_ACCESS: &str = "\
    SELECT u.id AS user_id, u.number, u.display_name, u.created_at AS user_created_at, \
           d.id, d.name, d.created_at, d.last_seen_at, d.access_expires_at \
    FROM devices d JOIN users u ON u.id = d.user_id \
    WHERE d.access_hash = ? AND d.access_expires_at > ?";

fn read_device(row: &SqliteRow) -> Result<Device, Error> {
    Ok(Device {
        id: DeviceId(unsigned(row.field("id")?)),
        user: UserId(unsigned(row.field("user_id")?)),
        name: row.field("name")?,
        created_at: WallTime(unsigned(row.field("created_at")?)),
        last_seen_at: WallTime(unsigned(row.field("last_seen_at")?)),
    })
}

fn read_bearer(row: &SqliteRow) -> Result<Bearer, Error> {
    Ok(Bearer {
        user: read_user(row)?,
        device: read_device(row)?,
        expires_at: WallTime(unsigned(row.field("access_expires_at")?)),
    })
}

async fn add_refresh(
    tx: &mut SqliteConnection,
    device: DeviceId,
    tokens: &TokenPair,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO refresh_tokens (hash, device_id, spent, expires_at) VALUES (?, ?, 0, ?)",
    )
    .bind(&tokens.refresh.0[..])
    .bind(signed(device.0))
    .bind(signed(tokens.refresh_expires_at.0))
    .execute(tx)
    .await
    .map_err(explain)?;
    Ok(())
}

/// Revoke the devices that are one too many once another joins.
async fn make_room(tx: &mut SqliteConnection, new: &NewDevice) -> Result<Vec<DeviceId>, Error> {
    let rows = sqlx::query(
        "DELETE FROM devices WHERE id IN (SELECT id FROM devices WHERE user_id = ? \
         ORDER BY last_seen_at DESC, created_at DESC, id LIMIT -1 OFFSET ?) RETURNING id",
    )
    .bind(signed(new.user.0))
    .bind(i64::from(new.most.saturating_sub(1)))
    .fetch_all(tx)
    .await
    .map_err(explain)?;
    rows.iter().map(|row| Ok(DeviceId(unsigned(row.field("id")?)))).collect()
}

#[async_trait]
impl Devices for Sqlite {
    async fn add_device(
        &self,
        now: WallTime,
        device: &NewDevice,
        tokens: &TokenPair,
    ) -> Result<Vec<DeviceId>, Error> {
        let mut tx = self.write().await?;
        let revoked = make_room(&mut tx, device).await?;
        sqlx::query(
            "INSERT INTO devices (id, user_id, name, created_at, last_seen_at, access_hash, \
             access_expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(signed(device.id.0))
        .bind(signed(device.user.0))
        .bind(&device.name)
        .bind(signed(now.0))
        .bind(signed(now.0))
        .bind(&tokens.access.0[..])
        .bind(signed(tokens.access_expires_at.0))
        .execute(&mut *tx)
        .await
        .map_err(explain)?;
        add_refresh(&mut tx, device.id, tokens).await?;
        tx.commit().await.map_err(explain)?;
        Ok(revoked)
    }

    async fn bearer(&self, now: WallTime, access: &TokenHash) -> Result<Option<Bearer>, Error> {
        let row = sqlx::query(BEARER_BY_ACCESS)
            .bind(&access.0[..])
            .bind(signed(now.0))
            .fetch_optional(&self.readers)
            .await;
        row.map_err(explain)?.as_ref().map(read_bearer).transpose()
    }

    async fn rotate(
        &self,
        now: WallTime,
        refresh: &TokenHash,
        next: &TokenPair,
    ) -> Result<Rotation, Error> {
        let mut tx = self.write().await?;
        let found = sqlx::query(
            "SELECT r.device_id, r.spent, d.user_id FROM refresh_tokens r \
             JOIN devices d ON d.id = r.device_id WHERE r.hash = ? AND r.expires_at > ?",
        )
        .bind(&refresh.0[..])
        .bind(signed(now.0))
        .fetch_optional(&mut *tx)
        .await
        .map_err(explain)?;
        let Some(found) = found else { return Ok(Rotation::Unknown) };
        let device = DeviceId(unsigned(found.field("device_id")?));
        if found.field::<bool>("spent")? {
            sqlx::query("DELETE FROM devices WHERE id = ?")
                .bind(signed(device.0))
                .execute(&mut *tx)
                .await
                .map_err(explain)?;
            tx.commit().await.map_err(explain)?;
            let user = UserId(unsigned(found.field("user_id")?));
            return Ok(Rotation::Reused { user, device });
        }
        sqlx::query("UPDATE refresh_tokens SET spent = 1 WHERE hash = ?")
            .bind(&refresh.0[..])
            .execute(&mut *tx)
            .await
            .map_err(explain)?;
        add_refresh(&mut tx, device, next).await?;
        sqlx::query(
            "UPDATE devices SET access_hash = ?, access_expires_at = ?, last_seen_at = ? \
             WHERE id = ?",
        )
        .bind(&next.access.0[..])
        .bind(signed(next.access_expires_at.0))
        .bind(signed(now.0))
        .bind(signed(device.0))
        .execute(&mut *tx)
        .await
        .map_err(explain)?;
        let row = sqlx::query(BEARER_BY_ACCESS)
            .bind(&next.access.0[..])
            .bind(signed(now.0))
            .fetch_one(&mut *tx)
            .await
            .map_err(explain)?;
        let bearer = read_bearer(&row)?;
        tx.commit().await.map_err(explain)?;
        Ok(Rotation::Done(Box::new(bearer)))
    }

    async fn devices_of(&self, user: UserId) -> Result<Vec<Device>, Error> {
        let rows = sqlx::query(
            "SELECT id, user_id, name, created_at, last_seen_at FROM devices \
             WHERE user_id = ? ORDER BY created_at, id",
        )
        .bind(signed(user.0))
        .fetch_all(&self.readers)
        .await
        .map_err(explain)?;
        rows.iter().map(read_device).collect()
    }

    async fn revoke_device(&self, user: UserId, device: DeviceId) -> Result<bool, Error> {
        let done = sqlx::query("DELETE FROM devices WHERE id = ? AND user_id = ?")
            .bind(signed(device.0))
            .bind(signed(user.0))
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(done.rows_affected() > 0)
    }

    async fn seen(&self, now: WallTime, device: DeviceId) -> Result<(), Error> {
        sqlx::query("UPDATE devices SET last_seen_at = MAX(last_seen_at, ?) WHERE id = ?")
            .bind(signed(now.0))
            .bind(signed(device.0))
            .execute(&self.writer)
            .await
            .map_err(explain)?;
        Ok(())
    }

    async fn prune_tokens(&self, now: WallTime) -> Result<u64, Error> {
        let mut tx = self.write().await?;
        let done = sqlx::query("DELETE FROM refresh_tokens WHERE expires_at <= ?")
            .bind(signed(now.0))
            .execute(&mut *tx)
            .await
            .map_err(explain)?;
        sqlx::query(
            "DELETE FROM devices WHERE access_expires_at <= ? AND NOT EXISTS \
             (SELECT 1 FROM refresh_tokens r WHERE r.device_id = devices.id)",
        )
        .bind(signed(now.0))
        .execute(&mut *tx)
        .await
        .map_err(explain)?;
        tx.commit().await.map_err(explain)?;
        Ok(done.rows_affected())
    }
}
