"""What AWS's Spark image has as ``smspark-submit``: runs a Spark application on the instances of a processing job."""
