-- One PostgreSQL server, one database for each part that keeps state.
CREATE DATABASE airflow;
CREATE DATABASE mlflow;
CREATE DATABASE ledger;
