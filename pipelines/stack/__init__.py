"""The local stack: Airflow, MLflow and the endpoint as processes of this user, without Docker or sudo."""
