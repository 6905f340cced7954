"""What Encore adds to the UI of Airflow."""
