"""Many accounts on a schedule: a DAG for Airflow, and Airflow with it on this machine."""
