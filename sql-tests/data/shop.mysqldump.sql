/*M!999999\- enable the sandbox mode */ 
-- MariaDB dump 10.19  Distrib 10.11.14-MariaDB, for Linux (x86_64)
--
-- Host: localhost    Database: small
-- ------------------------------------------------------
-- Server version	10.11.14-MariaDB

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;

--
-- Table structure for table `alltypes`
--

DROP TABLE IF EXISTS `alltypes`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `alltypes` (
  `id` int(11) NOT NULL,
  `ti` tinyint(4) DEFAULT NULL,
  `tu` tinyint(3) unsigned DEFAULT NULL,
  `si` smallint(6) DEFAULT NULL,
  `su` smallint(5) unsigned DEFAULT NULL,
  `mi` mediumint(9) DEFAULT NULL,
  `i4` int(11) DEFAULT NULL,
  `iu` int(10) unsigned DEFAULT NULL,
  `b8` bigint(20) DEFAULT NULL,
  `bu` bigint(20) unsigned DEFAULT NULL,
  `f` float DEFAULT NULL,
  `d` double DEFAULT NULL,
  `n` decimal(20,5) DEFAULT NULL,
  `bi` bit(8) DEFAULT NULL,
  `b1` bit(1) DEFAULT NULL,
  `c` char(10) DEFAULT NULL,
  `vc` varchar(50) DEFAULT NULL,
  `tt` tinytext DEFAULT NULL,
  `mt` mediumtext DEFAULT NULL,
  `lt` longtext DEFAULT NULL,
  `bl` blob DEFAULT NULL,
  `bin` binary(4) DEFAULT NULL,
  `vb` varbinary(20) DEFAULT NULL,
  `da` date DEFAULT NULL,
  `tm` time DEFAULT NULL,
  `dt` datetime DEFAULT NULL,
  `dt6` datetime(6) DEFAULT NULL,
  `ts` timestamp NULL DEFAULT NULL,
  `y` year(4) DEFAULT NULL,
  `j` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL CHECK (json_valid(`j`)),
  `e` enum('x','y') DEFAULT NULL,
  `select` int(11) DEFAULT NULL,
  `we``ird name` int(11) DEFAULT NULL,
  `gen` int(11) GENERATED ALWAYS AS (`id` * 2) STORED,
  `virt` int(11) GENERATED ALWAYS AS (`id` + 1) VIRTUAL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `alltypes`
--

LOCK TABLES `alltypes` WRITE;
/*!40000 ALTER TABLE `alltypes` DISABLE KEYS */;
INSERT INTO `alltypes` VALUES
(1,-1,1,-1,1,1,-1000,4000000001,-100000000000,100000000000,0.333333,0.142857142,0.09091,'','','ch','vc1','tt','mt','ä¸–ç•Œ ðŸ˜€ Ã¼','ÄÊB8 ¹#‚\rÌPšou„›','\0\'\\\n','ÿ\0','2024-02-29','12:34:56','2024-01-01 10:00:00','2024-01-01 10:00:00.123456','2024-01-01 10:00:00',2024,'{\"a\": [1, null, \"x\\\"y\"]}','y',1,1,2,2),
(2,-2,2,-2,2,2,-2000,4000000002,-200000000000,200000000000,0.666667,0.285714285,0.18182,'','\0','ch','vc2','tt','mt','ä¸–ç•Œ ðŸ˜€ Ã¼','ÈrL/co‰Ì†,','\0\'\\\n','ÿ\0','2024-02-29','12:34:56','2024-01-01 10:00:00','2024-01-01 10:00:00.123456','2024-01-01 10:00:00',2024,'{\"a\": [1, null, \"x\\\"y\"]}','y',2,2,4,3),
(3,-3,3,-3,3,3,-3000,4000000003,-300000000000,300000000000,1,0.428571428,0.27273,'','','ch','vc3','tt','mt','ä¸–ç•Œ ðŸ˜€ Ã¼','ìËÈ~K\\âþ(0Ùò§ºó','\0\'\\\n','ÿ\0','2024-02-29','12:34:56','2024-01-01 10:00:00','2024-01-01 10:00:00.123456','2024-01-01 10:00:00',2024,'{\"a\": [1, null, \"x\\\"y\"]}','y',3,3,6,4),
(1000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,2000,1001);
/*!40000 ALTER TABLE `alltypes` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `customers`
--

DROP TABLE IF EXISTS `customers`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `customers` (
  `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,
  `name` varchar(80) NOT NULL COMMENT 'the; name',
  `email` varchar(255) DEFAULT NULL,
  `joined` timestamp NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  `mood` enum('happy','so-so','it''s bad') DEFAULT 'so-so',
  `tags` set('a','b','c') DEFAULT NULL,
  `balance` decimal(12,2) DEFAULT 0.00 CHECK (`balance` > -1000),
  `notes` text DEFAULT NULL,
  `active` tinyint(1) NOT NULL DEFAULT 1,
  PRIMARY KEY (`id`),
  UNIQUE KEY `email` (`email`),
  KEY `name_prefix` (`name`(10))
) ENGINE=InnoDB AUTO_INCREMENT=16 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `customers`
--

LOCK TABLES `customers` WRITE;
/*!40000 ALTER TABLE `customers` DISABLE KEYS */;
INSERT INTO `customers` VALUES
(1,'Customer 1','c1@example.org','2024-01-01 01:00:00','so-so','a,b',1.25,'',1),
(2,'Customer 2','c2@example.org','2026-11-20 14:59:33','it\'s bad','c',2.50,'line one\nline two	tab \\ back \r\n  nul? no',0),
(3,'Customer 3','c3@example.org','2024-01-01 03:00:00','happy','a,b',3.75,'quote \' and \"double\"; -- no `tick` gru00fc',1),
(4,'Customer 4','c4@example.org','2024-01-01 04:00:00','so-so','c',5.00,NULL,0),
(5,'Customer 5','c5@example.org','2024-01-01 05:00:00','it\'s bad','a,b',6.25,'',1),
(6,'Customer 6','c6@example.org','2026-11-20 14:59:33','happy','c',7.50,'line one\nline two	tab \\ back \r\n  nul? no',0),
(7,'Customer 7',NULL,'2024-01-01 07:00:00','so-so','a,b',8.75,'quote \' and \"double\"; -- no `tick` gru00fc',1),
(8,'Customer 8','c8@example.org','2024-01-01 08:00:00','it\'s bad','c',10.00,NULL,0),
(9,'Customer 9','c9@example.org','2024-01-01 09:00:00','happy','a,b',11.25,'',1),
(10,'Customer 10','c10@example.org','2026-11-20 14:59:33','so-so','c',12.50,'line one\nline two	tab \\ back \r\n  nul? no',0),
(11,'Customer 11','c11@example.org','2024-01-01 11:00:00','it\'s bad','a,b',13.75,'quote \' and \"double\"; -- no `tick` gru00fc',1),
(12,'Customer 12','c12@example.org','2024-01-01 12:00:00','happy','c',15.00,NULL,0);
/*!40000 ALTER TABLE `customers` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `orders`
--

DROP TABLE IF EXISTS `orders`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `orders` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `customer_id` bigint(20) unsigned NOT NULL,
  `placed` date NOT NULL,
  `total` double DEFAULT NULL,
  PRIMARY KEY (`id`),
  KEY `placed_idx` (`placed`,`customer_id`),
  KEY `fk_customer` (`customer_id`),
  CONSTRAINT `fk_customer` FOREIGN KEY (`customer_id`) REFERENCES `customers` (`id`)
) ENGINE=InnoDB AUTO_INCREMENT=16 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `orders`
--

LOCK TABLES `orders` WRITE;
/*!40000 ALTER TABLE `orders` DISABLE KEYS */;
INSERT INTO `orders` VALUES
(1,2,'2024-01-02',0.1),
(2,3,'2024-01-03',0.2),
(3,4,'2024-01-04',0.3),
(4,5,'2024-01-05',0.4),
(5,6,'2024-01-06',0.5),
(6,7,'2024-01-07',0.6),
(7,8,'2024-01-08',0.7),
(8,9,'2024-01-09',0.8),
(9,10,'2024-01-10',0.9),
(10,11,'2024-01-11',1),
(11,12,'2024-01-12',1.1),
(12,1,'2024-01-13',1.2),
(13,2,'2024-01-14',1.3),
(14,3,'2024-01-15',1.4),
(15,4,'2024-01-16',1.5);
/*!40000 ALTER TABLE `orders` ENABLE KEYS */;
UNLOCK TABLES;
/*!50003 SET @saved_cs_client      = @@character_set_client */ ;
/*!50003 SET @saved_cs_results     = @@character_set_results */ ;
/*!50003 SET @saved_col_connection = @@collation_connection */ ;
/*!50003 SET character_set_client  = utf8mb4 */ ;
/*!50003 SET character_set_results = utf8mb4 */ ;
/*!50003 SET collation_connection  = utf8mb4_general_ci */ ;
/*!50003 SET @saved_sql_mode       = @@sql_mode */ ;
/*!50003 SET sql_mode              = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_CREATE_USER,NO_ENGINE_SUBSTITUTION' */ ;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER tr BEFORE INSERT ON orders FOR EACH ROW BEGIN SET NEW.total = 1; END */;;
DELIMITER ;
/*!50003 SET sql_mode              = @saved_sql_mode */ ;
/*!50003 SET character_set_client  = @saved_cs_client */ ;
/*!50003 SET character_set_results = @saved_cs_results */ ;
/*!50003 SET collation_connection  = @saved_col_connection */ ;

--
-- Temporary table structure for view `rich`
--

DROP TABLE IF EXISTS `rich`;
/*!50001 DROP VIEW IF EXISTS `rich`*/;
SET @saved_cs_client     = @@character_set_client;
SET character_set_client = utf8mb4;
/*!50001 CREATE VIEW `rich` AS SELECT
 1 AS `id`,
  1 AS `name`,
  1 AS `email`,
  1 AS `joined`,
  1 AS `mood`,
  1 AS `tags`,
  1 AS `balance`,
  1 AS `notes`,
  1 AS `active` */;
SET character_set_client = @saved_cs_client;

--
-- Final view structure for view `rich`
--

/*!50001 DROP VIEW IF EXISTS `rich`*/;
/*!50001 SET @saved_cs_client          = @@character_set_client */;
/*!50001 SET @saved_cs_results         = @@character_set_results */;
/*!50001 SET @saved_col_connection     = @@collation_connection */;
/*!50001 SET character_set_client      = utf8mb4 */;
/*!50001 SET character_set_results     = utf8mb4 */;
/*!50001 SET collation_connection      = utf8mb4_general_ci */;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */
/*!50001 VIEW `rich` AS select `customers`.`id` AS `id`,`customers`.`name` AS `name`,`customers`.`email` AS `email`,`customers`.`joined` AS `joined`,`customers`.`mood` AS `mood`,`customers`.`tags` AS `tags`,`customers`.`balance` AS `balance`,`customers`.`notes` AS `notes`,`customers`.`active` AS `active` from `customers` where `customers`.`balance` > 100 */;
/*!50001 SET character_set_client      = @saved_cs_client */;
/*!50001 SET character_set_results     = @saved_cs_results */;
/*!50001 SET collation_connection      = @saved_col_connection */;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;

/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

-- Dump completed
